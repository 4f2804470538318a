"""The view that says how fresh the tables are."""

from datetime import UTC, datetime, timedelta

from shopstream.schemas.warehouse import raw_table_id
from tests.integration.conftest import Warehouse


def test_it_tells_the_last_day_by_event_type(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)

    def row(number: int, age: timedelta, milliseconds: int) -> dict[str, object]:
        received = now - age
        return {
            "event_id": f"00000000-0000-7000-8000-{number:012}",
            "event_type": "interaction",
            "schema_version": 1,
            "occurred_at": (received - timedelta(seconds=5)).isoformat(),
            "received_at": received.isoformat(),
            "ingested_at": (received + timedelta(milliseconds=milliseconds)).isoformat(),
            "source": "shop",
            "action": "click",
            "product_id": "p",
        }

    rows = [row(number, timedelta(minutes=60 - number), 100 * number) for number in range(1, 6)]
    rows.append(row(9, timedelta(days=2), 900_000))
    table = raw_table_id(warehouse.settings, "interaction")
    assert warehouse.client.insert_rows_json(table, rows) == []
    found = {str(each["event_type"]): each for each in warehouse.rows("SELECT * FROM `{views}.freshness`")}
    interactions = found["interaction"]
    assert interactions["row_count"] == 5
    assert interactions["last_received_at"] == now - timedelta(minutes=55)
    assert interactions["last_ingested_at"] == now - timedelta(minutes=55) + timedelta(milliseconds=500)
    assert (interactions["median_ms"], interactions["p99_ms"]) == (300, 500)
    assert (found["order"]["row_count"], found["order"]["last_received_at"]) == (0, None)
