"""Every export is what its tool has published: the shape is written here again, from the tool's own pages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from google.cloud.retail_v2 import UserEvent
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]

from shopstream.ml_features.warehouse import load_rows
from shopstream.pipeline.tables import apply_tables, plan_tables
from shopstream.schemas import read_settings
from shopstream.schemas.views import EXPORTS
from shopstream.schemas.warehouse import raw_table_id
from tests.integration.conftest import Warehouse

GOLDEN = Path(__file__).parents[1] / "golden"
Row = dict[str, Any]


def record(required: tuple[str, ...] = (), **properties: Any) -> Row:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def many(items: Row) -> Row:
    return {"type": "array", "items": items}


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
TIME = {"type": "string", "format": "date-time"}
NAME = {"type": "string", "maxLength": 100}

SCHEMAS: dict[str, Row] = {
    # https://github.com/o19s/ubi, schema/1.3.0: query.request and event.
    "ubi_queries": record(
        ("user_query",),
        application=NAME,
        query_id=NAME,
        client_id=NAME,
        user_query=TEXT,
        query_attributes={"type": "object"},
        object_id_field=NAME,
        timestamp=TIME,
        query_response_id=TEXT,
        query_response_hit_ids=many(TEXT),
    ),
    "ubi_events": record(
        ("action_name", "timestamp"),
        application=NAME,
        action_name=NAME,
        query_id=NAME,
        session_id=NAME,
        client_id=NAME,
        user_id=NAME,
        timestamp=TIME,
        event_attributes={
            "type": "object",
            "required": ["position"],
            "properties": {
                "object": {
                    "type": "object",
                    "required": ["object_id"],
                    "properties": {
                        "object_id": {"type": ["string", "integer"], "maxLength": 256},
                        "object_id_type": NAME,
                        "object_id_field": NAME,
                    },
                },
                "position": {"type": "object", "properties": {"ordinal": WHOLE}},
            },
        },
    ),
    # https://support.google.com/analytics/answer/7029846, the columns of events_YYYYMMDD that are used.
    "ga4_events": record(
        ("event_date", "event_timestamp", "event_name"),
        event_date={"type": "string", "pattern": "^[0-9]{8}$"},
        event_timestamp=WHOLE,
        event_name={"enum": [
            *("view_search_results", "view_item_list", "view_item", "select_item", "add_to_cart"),
            *("remove_from_cart", "add_to_wishlist", "purchase", "refund"),
        ]},
        event_params=many(record(
            ("key", "value"),
            key=TEXT,
            value=record(string_value=TEXT, int_value=WHOLE, float_value=NUMBER, double_value=NUMBER),
        )),
        user_id=TEXT,
        user_pseudo_id=TEXT,
        platform=TEXT,
        ecommerce=record(
            transaction_id=TEXT, purchase_revenue=NUMBER, refund_value=NUMBER, unique_items=WHOLE
        ),
        items=many(record(
            ("item_id",), item_id=TEXT, item_category=TEXT, price=NUMBER, quantity=WHOLE, item_list_index=TEXT
        )),
    ),
    # https://segment.com/docs/connections/spec/ecommerce/v2/ and /spec/track/.
    "segment_events": record(
        ("type", "event", "messageId", "timestamp", "properties"),
        type={"const": "track"},
        event={"enum": [
            *("Products Searched", "Product Viewed", "Product Clicked", "Product Added", "Product Removed"),
            *("Product Added to Wishlist", "Order Completed", "Order Cancelled", "Order Refunded"),
        ]},
        messageId=TEXT,
        anonymousId=TEXT,
        userId=TEXT,
        timestamp=TIME,
        properties=record(
            query=TEXT, product_id=TEXT, position=WHOLE, price=NUMBER, quantity=NUMBER, currency=TEXT, order_id=TEXT,
            total=NUMBER,
            products=many(record(
                ("product_id",), product_id=TEXT, category=TEXT, price=NUMBER, quantity=NUMBER, position=WHOLE
            )),
        ),
    ),
}  # fmt: skip

# Published by the tools themselves, cut to the fields that are used: the schemas above must take them.
EXAMPLES: dict[str, Row] = {
    "ubi_queries": {"query_id": "12300d16cb-b6f1-4012", "user_query": "Toner", "client_id": "c4af7ca2",
                    "object_id_field": "product_name", "query_attributes": {"experiment_id": "12345"}},
    "ubi_events": {"action_name": "page_exit", "user_id": "1821196507152684", "session_id": "c3d22be7",
                   "timestamp": "2024-05-16T12:34:56.789Z", "event_attributes": {"position": {}}},
    "ga4_events": {"event_date": "20210131", "event_timestamp": 1612069510766593, "event_name": "purchase",
                   "user_pseudo_id": "1026454.4271112504", "platform": "WEB",
                   "ecommerce": {"transaction_id": "741471", "purchase_revenue": 44.0, "unique_items": 1},
                   "items": [{"item_id": "GGOEGXXX1400", "price": 44.0, "quantity": 1}]},
    "segment_events": {"type": "track", "event": "Order Completed", "messageId": "m", "userId": "019mr8mf4r",
                       "timestamp": "2015-01-14T20:35:00Z",
                       "properties": {"order_id": "50314b8e9bcf000000000000", "total": 27.5, "currency": "USD",
                                      "products": [{"product_id": "507f1f77bcf86cd799439011", "price": 19,
                                                    "quantity": 1, "category": "Games"}]}},
}  # fmt: skip


def without_nulls(value: Any) -> Any:
    """As JSON is sent: what is null is left out."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def exported(warehouse: Warehouse) -> dict[str, list[Row]]:
    """Every export of the golden events of all types, of all actions and states of an order."""
    now = datetime.now(UTC).isoformat()
    for event_type in ("search", "interaction", "order"):
        rows = [json.loads(line) for line in (GOLDEN / event_type / "rows.ndjson").read_text().splitlines()]
        whole = [row for row in rows if row.get("traffic") is None]
        for name, values in (
            ("action", ("impression", "view", "click", "cart_add", "cart_remove", "favourite")),
            ("status", ("placed", "cancelled", "returned")),
        ):
            if name in whole[0]:
                whole = [row | {name: value} for value in values for row in whole]
        for number, row in enumerate(whole):
            row |= {"event_id": f"01a1f640-f3c5-79e9-a5b7-{number:012x}", "received_at": now, "ingested_at": now}
        load_rows(warehouse.client, warehouse.client.get_table(raw_table_id(warehouse.settings, event_type)), whole)
    found = {}
    for view in EXPORTS:
        rows = warehouse.rows(f"SELECT TO_JSON_STRING(t) AS j FROM `{{views}}.{view.name}` AS t")  # noqa: S608
        found[view.name] = [json.loads(str(row["j"])) for row in rows]
    for rows in found.values():
        for row in rows:
            del row["received_at"]
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_example_is_of_the_shape(name: str) -> None:
    jsonschema_rs.validator_for(SCHEMAS[name], validate_formats=True).validate(EXAMPLES[name])


def test_every_export_has_every_kind_of_event_in_the_shape_that_is_published(exported: dict[str, list[Row]]) -> None:
    for name, schema in SCHEMAS.items():
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        assert exported[name]
        for row in exported[name]:
            validator.validate(without_nulls(row))
    assert exported["retail_user_events"]
    for row in exported["retail_user_events"]:
        event = ParseDict(without_nulls(row), UserEvent.pb()())
        assert event.event_type
        assert event.visitor_id

    # And every kind of event is there.
    named = {
        "ubi_events": "action_name",
        "ga4_events": "event_name",
        "segment_events": "event",
        "retail_user_events": "eventType",
    }
    kinds = {name: {row[column] for row in exported[name]} for name, column in named.items()}
    for name in ("ga4_events", "segment_events"):
        column = "event_name" if name == "ga4_events" else "event"
        assert kinds[name] == set(SCHEMAS[name]["properties"][column]["enum"])
    assert kinds["ubi_events"] == {
        *("impression", "view", "click", "add_to_cart", "remove_from_cart", "favourite", "purchase")
    }
    assert kinds["retail_user_events"] == {
        *("search", "detail-page-view", "add-to-cart", "remove-from-cart", "purchase-complete")
    }


def test_who_refuses_analytics_is_not_exported_and_the_mode_is_a_setting(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).isoformat()
    common = {
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        "query": "milk",
        "page": 1,
        "event_type": "search",
        **dict.fromkeys(("occurred_at", "received_at", "ingested_at"), now),
    }
    users = ("agreed", "refused", "silent", None)
    searches = [
        common | {"event_id": f"01a1f640-f3c5-79e9-a5b7-{n:012x}", "query_id": f"q-{n}", "user_id": user}
        for n, user in enumerate(users)
    ]
    decisions = [
        {**common, "event_type": "consent", "event_id": row["event_id"], "user_id": row["user_id"],
         "purpose": "analytics", "granted": row["user_id"] == "agreed", "policy_version": "v1"}
        for row in searches[:2]
    ]  # fmt: skip
    decisions = [{name: value for name, value in row.items() if name not in ("query", "page")} for row in decisions]
    for event_type, rows in (("search", searches), ("consent", decisions)):
        load_rows(warehouse.client, warehouse.client.get_table(raw_table_id(warehouse.settings, event_type)), rows)

    def exported_users() -> set[object]:
        return {row["user_id"] for row in warehouse.rows("SELECT user_id FROM `{views}.ga4_events`")}

    assert exported_users() == {"agreed", "silent", None}
    opt_in = read_settings(type(warehouse.settings), {**warehouse.environment, "CONSENT_OTHERWISE": "denied"})
    changed = {
        step.name.rpartition(".")[2] for step in plan_tables(warehouse.client, opt_in) if step.action == "change"
    }
    assert changed == {view.name for view in EXPORTS}
    apply_tables(warehouse.client, opt_in)
    assert exported_users() == {"agreed", None}
