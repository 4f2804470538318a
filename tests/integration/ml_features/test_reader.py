"""The reader over the wire."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from deploy.local.complete_journey import Basket, Line
from deploy.local.stack import LocalStack
from shopstream.ml_features import Features
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect
from shopstream.schemas import Unavailable, read_settings

from ..conftest import made_warehouse
from .conftest import loader, runner

AS_OF = date(2026, 3, 31)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINES = tuple(Line(product, "dairy", "dairy maid", 2, Decimal("1.19")) for product in ("bread", "milk", "wine"))


@pytest.fixture(scope="module")
def features(stack: LocalStack) -> Iterator[Features]:
    with made_warehouse(stack, "reader") as warehouse:
        settings = read_settings(FeatureSettings, warehouse.environment)
        loader(warehouse, settings)(
            [
                Basket("u1", "o1", AT, LINES),
                Basket("u1", "o2", AT + timedelta(days=10), LINES[1:2]),
                Basket("u2", "o3", AT, LINES[:1]),
            ]
        )
        run_table = runner(warehouse, settings)
        for day in (AS_OF - timedelta(days=1), AS_OF):
            for table in ("reorder_weights", "reorders", "profiles"):
                run_table(table, day)
        yield Features(warehouse.client, settings)


def test_a_profile_is_the_latest_one_and_says_where_it_was_read(features: Features) -> None:
    served = features.profile("u1")
    assert served is not None
    assert (served.as_of, served.source) == (AS_OF, "bigquery")
    assert (served.profile.orders, served.profile.spend) == (2, Decimal("9.52"))
    assert served.profile.favourite_categories == ("dairy",)
    assert served.profile.first_order_at == AT


def test_reorders_come_the_most_probable_first_and_at_most_k(features: Features) -> None:
    served = features.reorders("u1", 2)
    assert [(row.rank, row.product_id) for row in served.reorders] == [(1, "milk"), (2, "wine")]
    assert served.reorders[0].probability > served.reorders[1].probability
    assert (served.as_of, served.source) == (AS_OF, "bigquery")


def test_a_user_nobody_knows_has_no_profile_and_no_reorders(features: Features) -> None:
    assert features.profile("nobody") is None
    served = features.reorders("nobody")
    assert (served.reorders, served.as_of) == ((), None)


def test_a_user_id_is_a_value_and_never_a_statement_and_k_has_its_bounds(features: Features) -> None:
    for k in (0, -1, 1001):
        with pytest.raises(ValueError, match="from 1 to 1000"):
            features.reorders("u1", k)
    for user_id in ("u1' OR '1'='1", "'; DROP TABLE profiles; --", 'u1" OR TRUE', "@k", "ü`"):
        assert features.profile(user_id) is None
        assert features.reorders(user_id).reorders == ()


def test_a_server_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopstream.ml_features.warehouse.ATTEMPTS", 1)
    settings = read_settings(
        FeatureSettings,
        {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"},
    )
    with pytest.raises(Unavailable, match="BigQuery does not answer"):
        Features(connect(settings), settings).profile("u1")
