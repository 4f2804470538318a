"""The reader over the wire."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from deploy.local.complete_journey import Basket, Line
from deploy.local.stack import LocalStack
from shopstream.ml_features import Features, FeatureStore
from shopstream.ml_features.serving.answer import answered
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import connect
from shopstream.schemas import Unavailable, read_settings

from ..conftest import made_warehouse
from .conftest import loader, patient, runner

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
        with FeatureStore(warehouse.client, patient(settings)) as store:
            yield Features(store, settings)


def test_a_profile_is_the_latest_one_and_says_where_it_was_read(features: Features) -> None:
    answer = features.profile("u1")
    assert (answer.as_of, answer.source) == (AS_OF, "warehouse")
    assert answer.row is not None
    assert (answer.row.orders, answer.row.spend) == (2, Decimal("9.52"))
    assert answer.row.favourite_categories == ("dairy",)
    assert answer.row.first_order_at == AT


def test_reorders_come_the_most_probable_first_and_at_most_k(features: Features) -> None:
    served = features.reorders("u1", 2)
    assert [(row.rank, row.product_id) for row in served.rows] == [(1, "milk"), (2, "wine")]
    assert served.rows[0].probability > served.rows[1].probability
    assert (served.as_of, served.source) == (AS_OF, "warehouse")


def test_a_user_nobody_knows_has_no_profile_and_no_reorders(features: Features) -> None:
    assert features.profile("nobody").rows == ()
    assert features.reorders("nobody").rows == ()


def test_a_user_id_is_a_value_and_never_a_statement_and_k_has_its_bounds(features: Features) -> None:
    for k in (0, -1, 51):
        with pytest.raises(ValueError, match="from 1 to 50"):
            features.reorders("u1", k)
    for user_id in ("u1' OR '1'='1", "'; DROP TABLE profiles; --", 'u1" OR TRUE', "@k", "ü`"):
        assert features.profile(user_id).rows == ()
        assert features.reorders(user_id).rows == ()


def test_a_server_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopstream.ml_features.warehouse.ATTEMPTS", 1)
    settings = read_settings(
        FeatureSettings,
        {"GOOGLE_CLOUD_PROJECT": "shopstream-local", "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1"},
    )
    with FeatureStore(connect(settings), settings) as store, pytest.raises(Unavailable, match="does not answer"):
        answered(Features(store, settings).profile("u1"))
