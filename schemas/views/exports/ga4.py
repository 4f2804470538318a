"""Google Analytics 4's export to BigQuery: https://support.google.com/analytics/answer/7029846."""

from .shape import PLACED, UNDONE, VISITOR, Part, Shape, interaction

_GA4_ITEM = "ARRAY<STRUCT<item_id STRING, item_category STRING, price FLOAT64, quantity INT64, item_list_index STRING>>"
_GA4_VALUE = "STRUCT<string_value STRING, int_value INT64, float_value FLOAT64, double_value FLOAT64>"


def _ga4_params(**values: str) -> str:
    """event_params: the parameters that have a value."""
    entries = ", ".join(
        f"STRUCT('{name}' AS key, STRUCT({_of_kind(value, 'string')}, CAST(NULL AS INT64) AS int_value, "
        f"CAST(NULL AS FLOAT64) AS float_value, {_of_kind(value, 'double')}) AS value)"
        for name, value in values.items()
    )
    params = f"UNNEST([{entries}]) AS param WHERE {_GA4_HAS_VALUE}"
    return f"ARRAY(SELECT AS STRUCT param.key, param.value FROM {params})"  # noqa: S608 - expressions of our own


_GA4_HAS_VALUE = "param.value.string_value IS NOT NULL OR param.value.double_value IS NOT NULL"


def _of_kind(value: str, kind: str) -> str:
    name = "STRING" if kind == "string" else "FLOAT64"
    is_amount = value.startswith("CAST(")
    return f"{value if is_amount == (kind == 'double') else f'CAST(NULL AS {name})'} AS {kind}_value"


_GA4_EVENT = {
    "event_date": "FORMAT_DATE('%Y%m%d', DATE(occurred_at))",
    "event_timestamp": "UNIX_MICROS(occurred_at)",
    "user_id": "user_id",
    "user_pseudo_id": VISITOR,
    "platform": "'WEB'",
}
_GA4_ORDER = {
    **_GA4_EVENT,
    "event_params": _ga4_params(
        transaction_id="order_id", currency="currency", value="CAST(total_amount AS FLOAT64)", query_id="query_id"
    ),
    "ecommerce.transaction_id": "order_id",
    "ecommerce.unique_items": "ARRAY_LENGTH(items)",
    "items": "ARRAY(SELECT AS STRUCT item.product_id AS item_id, item.category AS item_category, "
    "CAST(item.unit_price AS FLOAT64) AS price, CAST(GREATEST(1, ROUND(item.quantity)) AS INT64) AS quantity, "
    "CAST(NULL AS STRING) AS item_list_index FROM UNNEST(items) AS item)",
}
GA4_EVENTS = Shape(
    "ga4_events",
    "an event as Google Analytics 4 exports it to BigQuery, with its recommended e-commerce names.",
    "dashboards and models written for the GA4 export.",
    {
        "event_date": "STRING",
        "event_timestamp": "INT64",
        "event_name": "STRING",
        "event_params": f"ARRAY<STRUCT<key STRING, value {_GA4_VALUE}>>",
        "user_id": "STRING",
        "user_pseudo_id": "STRING",
        "platform": "STRING",
        "ecommerce.transaction_id": "STRING",
        "ecommerce.purchase_revenue": "FLOAT64",
        "ecommerce.refund_value": "FLOAT64",
        "ecommerce.unique_items": "INT64",
        "items": _GA4_ITEM,
    },
    [
        Part(
            "search",
            {
                **_GA4_EVENT,
                "event_name": "'view_search_results'",
                "event_params": _ga4_params(search_term="query", query_id="query_id"),
                "items": "ARRAY(SELECT AS STRUCT result.product_id AS item_id, CAST(NULL AS STRING) AS item_category, "
                "CAST(NULL AS FLOAT64) AS price, CAST(NULL AS INT64) AS quantity, "
                "CAST(result.position AS STRING) AS item_list_index FROM UNNEST(results) AS result)",
            },
        ),
        *interaction(
            {
                **_GA4_EVENT,
                "event_params": _ga4_params(currency="currency", query_id="query_id"),
                "items": "[STRUCT(product_id AS item_id, CAST(NULL AS STRING) AS item_category, "
                "CAST(unit_price AS FLOAT64) AS price, CAST(ROUND(quantity) AS INT64) AS quantity, "
                "CAST(position AS STRING) AS item_list_index)]",
            },
            {
                "impression": "view_item_list",
                "view": "view_item",
                "click": "select_item",
                "cart_add": "add_to_cart",
                "cart_remove": "remove_from_cart",
                "favourite": "add_to_wishlist",
            },
            "event_name",
        ),
        Part(
            "order",
            _GA4_ORDER | {"event_name": "'purchase'", "ecommerce.purchase_revenue": "CAST(total_amount AS FLOAT64)"},
            PLACED,
        ),
        Part(
            "order",
            _GA4_ORDER | {"event_name": "'refund'", "ecommerce.refund_value": "CAST(total_amount AS FLOAT64)"},
            UNDONE,
        ),
    ],
)
