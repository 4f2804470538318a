"""The serving API keeps to its OpenAPI document, whatever is asked: no 5xx, no answer the document does not know."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import redis
from schemathesis.python import asgi

from deploy.local.stack import LocalStack
from deploy.reference import serving_document
from shopstream.ml_features.api.keys import new_key
from shopstream.ml_features.api.serve import serving_app
from shopstream.ml_features.api.settings import ApiSettings
from shopstream.ml_features.serving.publish import Publisher, view_batches
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.serving.views import NIGHTLY
from tests.integration.contract import hold_to_its_document, operations

from ..conftest import made_warehouse

TEXT, KEY = new_key("contract", "admin", None, Random(1))


@pytest.fixture(scope="module")
def app(stack: LocalStack, redis_url: str) -> Iterator[Any]:
    """Over a warehouse with one user, published to Redis, where whoever is made up is quickly not found."""
    with made_warehouse(stack, "contract") as warehouse, redis.Redis.from_url(redis_url) as server:
        now = datetime.now(UTC)
        as_of = now.date() - timedelta(days=1)
        row = {"as_of": str(as_of), "user_id": "0", "orders": 7, "spend": "12.5", "searches": 3, "clicks": 2}
        row |= {"last_order_at": now.isoformat(), "favourite_categories": ["dairy"]}
        features = f"{warehouse.settings.bigquery_dataset}_features"
        load_rows(warehouse.client, warehouse.client.get_table(f"{features}.profiles"), [row])
        environment = {
            **warehouse.environment,
            "REDIS_ENABLED": "true",
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": "contract",
            "SERVING_API_KEYS": KEY.line(),
            "SERVING_API_BURST_REQUESTS": "1000000",
        }
        feature_settings = read_settings(FeatureSettings, environment)
        for view in NIGHTLY:
            batches = view_batches(warehouse.client, feature_settings, view, as_of)
            Publisher(server, "contract").publish(view, as_of, now, batches)
        with serving_app(feature_settings, read_settings(ApiSettings, environment), Random(7)) as made:
            yield made


@pytest.mark.parametrize("operation", operations(json.loads(serving_document())), ids=lambda each: each.label)
def test_every_answer_is_in_the_document(operation: Any, app: Any) -> None:
    hold_to_its_document(operation, app, {"X-Api-Key": TEXT}, examples=10)


def test_the_requests_reached_every_kind_of_answer(app: Any) -> None:
    """Runs after the one above: requests that were all refused at the door would show nothing."""
    with asgi.get_client(app) as client:
        page = client.get("/metrics").text
        assert client.get("/v1/users/0/profile", headers={"X-Api-Key": TEXT}).json()["data"]["spend"] == "12.5"
    counted = {(route, status) for route, status in re.findall(r'requests_total\{route="([^"]+)",status="(\d+)"', page)}
    assert {
        ("/v1/users/{user_id}/reorders", "200"),
        ("/v1/users/{user_id}/profile", "404"),
        ("/v1/users/{user_id}/recommendations", "200"),
        ("/v1/users/{user_id}/personas", "200"),
        ("/v1/profiles", "200"),
        ("/v1/profiles", "422"),
        ("/v1/decisions/{decision_id}", "404"),
        ("/v1/products/{product_id}/performance", "404"),
    } <= counted
