"""User events of Vertex AI Search for commerce: https://cloud.google.com/retail/docs/user-events."""

from .shape import MOMENT, PLACED, VISITOR, Part, Shape, interaction

_RETAIL_EVENT = {
    "visitorId": VISITOR,
    "sessionId": "session_id",
    "eventTime": MOMENT,
    "userInfo.userId": "user_id",
}
_RETAIL_KNOWN = f"{VISITOR} IS NOT NULL"
RETAIL_USER_EVENTS = Shape(
    "retail_user_events",
    "a user event of Vertex AI Search for commerce (the Retail API); impressions and favourites have no type there.",
    "importing user events into Vertex AI Search for commerce.",
    {
        "eventType": "STRING",
        "visitorId": "STRING",
        "sessionId": "STRING",
        "eventTime": "STRING",
        "searchQuery": "STRING",
        "offset": "INT64",
        "orderBy": "STRING",
        "productDetails": "ARRAY<STRUCT<product STRUCT<id STRING>, quantity INT64>>",
        "purchaseTransaction.id": "STRING",
        "purchaseTransaction.revenue": "FLOAT64",
        "purchaseTransaction.currencyCode": "STRING",
        "userInfo.userId": "STRING",
    },
    [
        Part(
            "search",
            {
                **_RETAIL_EVENT,
                "eventType": "'search'",
                "searchQuery": "query",
                "orderBy": "sort",
                "productDetails": "ARRAY(SELECT AS STRUCT STRUCT(result.product_id AS id) AS product, "
                "CAST(NULL AS INT64) AS quantity FROM UNNEST(results) AS result ORDER BY result.position)",
            },
            _RETAIL_KNOWN,
        ),
        *(
            Part(part.event_type, part.values, f"{part.condition} AND {_RETAIL_KNOWN}")
            for part in interaction(
                {
                    **_RETAIL_EVENT,
                    "productDetails": "[STRUCT(STRUCT(product_id AS id) AS product, "
                    "CAST(GREATEST(1, ROUND(IFNULL(quantity, 1))) AS INT64) AS quantity)]",
                },
                {
                    "view": "detail-page-view",
                    "click": "detail-page-view",
                    "cart_add": "add-to-cart",
                    "cart_remove": "remove-from-cart",
                },
                "eventType",
            )
        ),
        Part(
            "order",
            {
                **_RETAIL_EVENT,
                "eventType": "'purchase-complete'",
                "productDetails": "ARRAY(SELECT AS STRUCT STRUCT(item.product_id AS id) AS product, "
                "CAST(GREATEST(1, ROUND(item.quantity)) AS INT64) AS quantity FROM UNNEST(items) AS item)",
                "purchaseTransaction.id": "order_id",
                "purchaseTransaction.revenue": "CAST(total_amount AS FLOAT64)",
                "purchaseTransaction.currencyCode": "currency",
            },
            f"{PLACED} AND {_RETAIL_KNOWN}",
        ),
    ],
)
