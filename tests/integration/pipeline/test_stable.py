"""Closed days: each event once, in the day it arrived first, whatever arrives late or again."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.stable import LATE_DAYS, ClosedDay, close_days
from shopstream.pipeline.validate import validate
from shopstream.pipeline.warehouse import insert_rows
from shopstream.schemas.warehouse import raw_table_id
from tests.integration.conftest import Warehouse

TODAY = date(2026, 11, 20)


def at(day: int, hour: float = 12) -> datetime:
    """A moment of a day counted from today."""
    return datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(days=day, hours=hour)


def arrive(warehouse: Warehouse, *arrivals: tuple[int, datetime]) -> None:
    """Rows of events by their numbers, received then."""
    documents, event_ids = [], []
    for number, received_at in arrivals:
        event_id = f"01a1f640-f3c5-79e9-a5b7-{number:012x}"
        fields = {
            "event_id": event_id,
            "event_type": "interaction",
            "schema_version": 1,
            "occurred_at": (received_at - timedelta(minutes=1)).isoformat(),
            "source": "shop",
            "user_id": f"u-{number}",
            "action": "click",
            "product_id": f"p-{received_at:%d}",
        }
        line = Line(json.dumps(fields).encode(), 0, Delivery("m", {}, received_at))
        documents.append(enrich(validate(line, received_at), None, (), received_at).document)
        event_ids.append(event_id)
    table = raw_table_id(warehouse.settings, "interaction")
    assert insert_rows(warehouse.client, table, documents, event_ids) == []


def seen(warehouse: Warehouse, dataset: str = "{views}") -> list[tuple[str, str]]:
    """User and day of arrival of every row."""
    rows = warehouse.rows(
        f"SELECT user_id, CAST(DATE(received_at) AS STRING) AS day FROM `{dataset}.interactions` ORDER BY 1, 2"  # noqa: S608
    )
    return [(str(row["user_id"]), str(row["day"])) for row in rows]


def close(warehouse: Warehouse, today: date = TODAY) -> list[tuple[date, int]]:
    days = close_days(warehouse.client, warehouse.settings, today)
    return [(each.day, each.events) for each in days if each.event_type == "interaction"]


def expected(*arrivals: tuple[int, int]) -> list[tuple[str, str]]:
    return sorted((f"u-{number}", (TODAY + timedelta(days=day)).isoformat()) for number, day in arrivals)


def test_days_before_today_are_closed_and_today_stays_open(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-2)), (2, at(-1, 0)), (3, at(-1, 23.99)), (4, at(0, 0)), (5, at(0)))
    before = seen(warehouse)
    assert close(warehouse) == [(date(2026, 11, 18), 1), (date(2026, 11, 19), 2)]
    assert seen(warehouse, "{views}_stable") == expected((1, -2), (2, -1), (3, -1))
    assert seen(warehouse) == before == expected((1, -2), (2, -1), (3, -1), (4, 0), (5, 0))


def test_closing_twice_changes_nothing(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-1)), (1, at(-1, 13)))
    assert close(warehouse) == [(date(2026, 11, 19), 1)]
    assert close(warehouse) == []
    assert seen(warehouse) == expected((1, -1))


def test_an_event_delivered_again_after_midnight_counts_on_its_first_day_only(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-2, 23.9)), (1, at(-1, 0.1)), (2, at(-1)), (1, at(0)))
    close(warehouse)
    assert seen(warehouse, "{views}_stable") == expected((1, -2), (2, -1))
    assert seen(warehouse) == expected((1, -2), (2, -1))


def test_what_is_delivered_again_weeks_later_is_seen_once(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-60)), (2, at(-1)))
    close(warehouse)
    arrive(warehouse, (1, at(0)), (1, at(0, 13)))
    assert seen(warehouse) == expected((1, -60), (2, -1))


def test_a_row_that_reaches_bigquery_days_late_is_seen_at_once_and_its_day_closed_again(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-3)), (2, at(-2)))
    close(warehouse)
    arrive(warehouse, (3, at(-3, 15)))
    assert seen(warehouse) == expected((1, -3), (2, -2), (3, -3))
    assert close(warehouse) == [(date(2026, 11, 17), 2)]
    assert seen(warehouse, "{views}_stable") == expected((1, -3), (2, -2), (3, -3))


def test_an_earlier_copy_that_comes_late_does_not_make_an_event_two(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-1)))
    close(warehouse)
    arrive(warehouse, (1, at(-2)), (2, at(-2)))
    close(warehouse)
    assert seen(warehouse) == expected((1, -1), (2, -2))


def test_a_row_later_than_the_view_looks_back_is_there_after_the_next_closing(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-1)))
    close(warehouse)
    arrive(warehouse, (2, at(-LATE_DAYS - 3)))
    assert seen(warehouse) == expected((1, -1))
    close(warehouse)
    assert seen(warehouse) == expected((1, -1), (2, -LATE_DAYS - 3))


def test_days_nobody_closed_for_weeks_are_still_in_the_view(warehouse: Warehouse) -> None:
    arrive(warehouse, (1, at(-1)))
    close(warehouse)
    arrive(warehouse, *((number, at(number - 2)) for number in range(2, 22)))
    assert len(seen(warehouse)) == 21
    assert len(close(warehouse, TODAY + timedelta(days=20))) == 20
    assert len(seen(warehouse)) == 21


def test_a_closing_that_is_interrupted_leaves_every_event_in_the_view(warehouse: Warehouse) -> None:
    arrive(warehouse, *((number, at(-number)) for number in range(1, 5)))
    before = seen(warehouse)

    def interrupt(closed: ClosedDay) -> None:
        if closed.day == date(2026, 11, 17):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        close_days(warehouse.client, warehouse.settings, TODAY, interrupt)
    assert seen(warehouse) == before
    assert seen(warehouse, "{views}_stable") == expected((4, -4), (3, -3))
    close(warehouse)
    assert seen(warehouse) == before
