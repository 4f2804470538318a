"""A message as a row, by the rules that Pub/Sub's documentation gives for `use_table_schema`."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.local.pubsub.backlog import Content, Message
from deploy.local.pubsub.table_rows import Column, TableTarget, Unwritable, row_of

COLUMNS: list[Column] = [
    {"name": "id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "at", "type": "TIMESTAMP", "mode": "NULLABLE"},
    {"name": "amount", "type": "NUMERIC", "mode": "NULLABLE"},
    {"name": "count", "type": "INTEGER", "mode": "NULLABLE"},
    {"name": "day", "type": "DATE", "mode": "NULLABLE"},
    {"name": "more", "type": "JSON", "mode": "NULLABLE"},
    {
        "name": "items",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "product", "type": "STRING", "mode": "REQUIRED"}],
    },
]
EMPTY: dict[str, Any] = {"id": "1", "at": None, "amount": None, "count": None, "day": None, "more": None, "items": []}


def row(fields: Any, columns: Sequence[Column] = COLUMNS, **settings: bool) -> dict[str, Any]:
    data = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    message = Message(Content(data, {"event_type": "search"}, "key"), "m-1", 1_760_000_000.5, len(data))
    return row_of(message, "projects/p/subscriptions/s", TableTarget("p.d.t", **settings), columns)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, {}),
        ({"at": "2026-11-20T12:00:00.5Z"}, {"at": "2026-11-20T12:00:00.500000+00:00"}),
        ({"at": 1_760_000_000_000_000}, {"at": "2025-10-09T08:53:20+00:00"}),
        ({"amount": "0.10"}, {"amount": "0.10"}),
        ({"amount": 1.5}, {"amount": "1.5"}),
        ({"day": "2026-11-20"}, {"day": "2026-11-20"}),
        ({"more": '{"a": 1}'}, {"more": '{"a": 1}'}),
        ({"items": [{"product": "tea"}]}, {"items": [{"product": "tea"}]}),
        ({"count": None, "items": None}, {}),
    ],
    ids=str,
)
def test_a_field_becomes_its_column(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert row({"id": "1", **fields}) == EMPTY | written


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (gzip.compress(b'{"id": "1"}', mtime=0), "not JSON"),
        ([], "not a JSON object"),
        ({}, "id is REQUIRED"),
        ({"id": 1}, "id does not convert to STRING"),
        ({"id": "1", "count": "2"}, "count"),
        ({"id": "1", "count": 2**63}, "count"),
        ({"id": "1", "count": True}, "count"),
        ({"id": "1", "amount": "much"}, "amount"),
        ({"id": "1", "amount": "0.0000000001"}, "amount"),
        ({"id": "1", "at": "yesterday"}, "at"),
        ({"id": "1", "more": {"a": 1}}, "more does not convert to JSON"),
        ({"id": "1", "more": ""}, "more"),
        ({"id": "1", "items": {}}, "items is not an array"),
        ({"id": "1", "items": [{}]}, "items.product is REQUIRED"),
        ({"id": "1", "colour": "red"}, "colour is not a column"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_its_name(fields: Any, said: str) -> None:
    with pytest.raises(Unwritable, match=said):
        row(fields)


def test_unknown_fields_are_dropped_where_that_is_asked_for() -> None:
    fields = {"id": "1", "colour": "red", "items": [{"product": "tea", "size": 3}]}
    assert row(fields, drop_unknown_fields=True) == EMPTY | {"items": [{"product": "tea"}]}


def test_metadata_has_columns_of_its_own() -> None:
    names = ("subscription_name", "message_id", "publish_time", "attributes")
    kinds = ("STRING", "STRING", "TIMESTAMP", "JSON")
    more = [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]
    written = row({"id": "1"}, [*COLUMNS, *more], write_metadata=True)
    assert [written[name] for name in names[:3]] == [
        *("projects/p/subscriptions/s", "m-1", "2025-10-09T08:53:20.500000+00:00")
    ]
    assert json.loads(written["attributes"]) == {"event_type": "search", "orderingKey": "key"}
