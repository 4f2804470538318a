"""Segment's e-commerce spec: https://segment.com/docs/connections/spec/ecommerce/v2/."""

from .shape import MOMENT, PLACED, Part, Shape, interaction

_SEGMENT_EVENT = {
    "type": "'track'",
    "messageId": "event_id",
    "anonymousId": "session_id",
    "userId": "user_id",
    "timestamp": MOMENT,
}
_SEGMENT_PRODUCTS = "ARRAY<STRUCT<product_id STRING, category STRING, price FLOAT64, quantity FLOAT64, position INT64>>"
_SEGMENT_ORDER = {
    **_SEGMENT_EVENT,
    "properties.order_id": "order_id",
    "properties.total": "CAST(total_amount AS FLOAT64)",
    "properties.currency": "currency",
    "properties.products": "ARRAY(SELECT AS STRUCT item.product_id, item.category, "
    "CAST(item.unit_price AS FLOAT64) AS price, CAST(item.quantity AS FLOAT64) AS quantity, "
    "CAST(NULL AS INT64) AS position FROM UNNEST(items) AS item)",
}
SEGMENT_EVENTS = Shape(
    "segment_events",
    "a track call with the names and properties of Segment's e-commerce spec, version 2.",
    "tools that are fed by Segment, or a Segment source.",
    {
        "type": "STRING",
        "event": "STRING",
        "messageId": "STRING",
        "anonymousId": "STRING",
        "userId": "STRING",
        "timestamp": "STRING",
        "properties.query": "STRING",
        "properties.product_id": "STRING",
        "properties.position": "INT64",
        "properties.price": "FLOAT64",
        "properties.quantity": "FLOAT64",
        "properties.currency": "STRING",
        "properties.order_id": "STRING",
        "properties.total": "FLOAT64",
        "properties.products": _SEGMENT_PRODUCTS,
    },
    [
        Part(
            "search",
            {
                **_SEGMENT_EVENT,
                "event": "'Products Searched'",
                "properties.query": "query",
                "properties.products": "ARRAY(SELECT AS STRUCT result.product_id, CAST(NULL AS STRING) AS category, "
                "CAST(NULL AS FLOAT64) AS price, CAST(NULL AS FLOAT64) AS quantity, result.position "
                "FROM UNNEST(results) AS result)",
            },
        ),
        *interaction(
            {
                **_SEGMENT_EVENT,
                "properties.product_id": "product_id",
                "properties.position": "position",
                "properties.price": "CAST(unit_price AS FLOAT64)",
                "properties.quantity": "CAST(quantity AS FLOAT64)",
                "properties.currency": "currency",
            },
            {
                "view": "Product Viewed",
                "click": "Product Clicked",
                "cart_add": "Product Added",
                "cart_remove": "Product Removed",
                "favourite": "Product Added to Wishlist",
            },
            "event",
        ),
        Part("order", _SEGMENT_ORDER | {"event": "'Order Completed'"}, PLACED),
        Part("order", _SEGMENT_ORDER | {"event": "'Order Cancelled'"}, "status = 'cancelled'"),
        Part("order", _SEGMENT_ORDER | {"event": "'Order Refunded'"}, "status = 'returned'"),
    ],
)
