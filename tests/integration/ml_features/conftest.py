"""Feature jobs over the wire: settings, and purchases loaded in bulk."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from deploy.local.complete_journey import CURRENCY, Basket
from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.job import RunResult, run
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.warehouse import raw_table_id

if TYPE_CHECKING:
    from ..conftest import Warehouse

_PURCHASES = pa.schema(
    [
        ("user_id", pa.string()),
        ("product_id", pa.string()),
        ("category", pa.string()),
        ("brand", pa.string()),
        ("order_id", pa.string()),
        ("status", pa.string()),
        ("ordered_at", pa.timestamp("us", "UTC")),
        ("known_at", pa.timestamp("us", "UTC")),
        ("quantity", pa.decimal128(38, 9)),
        ("unit_price", pa.decimal128(38, 9)),
        ("currency", pa.string()),
        ("received_on", pa.date32()),
    ]
)

Load = Callable[[Sequence[Basket]], None]
Run = Callable[[str, date], RunResult]


@pytest.fixture
def settings(warehouse: "Warehouse") -> FeatureSettings:
    return read_settings(FeatureSettings, warehouse.environment)


@pytest.fixture
def run_table(warehouse: "Warehouse", settings: FeatureSettings) -> Run:
    """Runs one table for one day; `now` is after every day a test asks for."""
    return runner(warehouse, settings)


@pytest.fixture
def load_baskets(warehouse: "Warehouse", settings: FeatureSettings) -> Load:
    """Puts baskets into `purchases` with one load job, each known when it was bought."""
    return loader(warehouse, settings)


def refuse(warehouse: "Warehouse", user: str, at: datetime) -> None:
    """Let the user refuse personalization, and nobody decide anything else."""
    event = {
        "event_id": "01a1f640-f3c5-79e9-a5b7-000000000000",
        "event_type": "consent",
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), at.isoformat()),
        "user_id": user,
        "purpose": "personalization",
        "granted": False,
        "policy_version": "v1",
    }
    load_rows(warehouse.client, warehouse.client.get_table(raw_table_id(warehouse.settings, "consent")), [event])


def patient(settings: FeatureSettings) -> FeatureSettings:
    """For stores that read the warehouse each time, however slow the machine is."""
    return settings.model_copy(update={"serving_deadline_seconds": 60.0, "serving_cache_seconds": 0.0})


def runner(warehouse: "Warehouse", settings: FeatureSettings) -> Run:
    """What runs one table of this warehouse."""

    def run_one(name: str, as_of: date) -> RunResult:
        return run(warehouse.client, settings, feature_table(name), as_of, datetime.now(UTC))

    return run_one


def loader(warehouse: "Warehouse", settings: FeatureSettings) -> Load:
    """What puts baskets into this warehouse."""

    def load(baskets: Sequence[Basket]) -> None:
        rows: list[dict[str, Any]] = [
            {
                "user_id": basket.household_id,
                "product_id": line.product_id,
                "category": line.category,
                "brand": line.brand,
                "order_id": basket.basket_id,
                "status": "placed",
                "ordered_at": basket.bought_at,
                "known_at": basket.bought_at,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "currency": CURRENCY,
                "received_on": basket.bought_at.date(),
            }
            for basket in baskets
            for line in basket.lines
        ]
        file = BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, _PURCHASES), file)
        file.seek(0)
        warehouse.client.load_table_from_file(
            file,
            f"{settings.google_cloud_project}.{settings.bigquery_dataset}_features.purchases",
            job_config=bigquery.LoadJobConfig(source_format="PARQUET", write_disposition="WRITE_APPEND"),
            timeout=60,
        ).result(timeout=60)

    return load
