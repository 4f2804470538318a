"""User Behavior Insights 1.3: https://github.com/o19s/ubi."""

from .shape import MOMENT, PLACED, VISITOR, Part, Shape, interaction

_UBI_OBJECT = {
    "event_attributes.object.object_id_type": "'product'",
    "event_attributes.object.object_id_field": "'product_id'",
}
_UBI_EVENT = {
    "application": "source",
    "session_id": "session_id",
    "client_id": VISITOR,
    "user_id": "user_id",
    "timestamp": MOMENT,
    **_UBI_OBJECT,
}
UBI_QUERIES = Shape(
    "ubi_queries",
    "a search, as User Behavior Insights 1.3 describes a query.",
    "search relevance tools that read UBI (OpenSearch, Solr).",
    {
        "application": "STRING",
        "query_id": "STRING",
        "client_id": "STRING",
        "user_query": "STRING",
        "object_id_field": "STRING",
        "timestamp": "STRING",
        "query_response_id": "STRING",
        "query_response_hit_ids": "ARRAY<STRING>",
        "query_attributes.intent": "STRING",
        "query_attributes.channel": "STRING",
        "query_attributes.page": "INT64",
    },
    [
        Part(
            "search",
            {
                "application": "source",
                "query_id": "query_id",
                "client_id": VISITOR,
                "user_query": "query",
                "object_id_field": "'product_id'",
                "timestamp": MOMENT,
                "query_response_id": "event_id",
                "query_response_hit_ids": "ARRAY(SELECT result.product_id FROM UNNEST(results) AS result "
                "ORDER BY result.position)",
                "query_attributes.intent": "intent.label",
                "query_attributes.channel": "channel",
                "query_attributes.page": "page",
            },
        )
    ],
)
UBI_EVENTS = Shape(
    "ubi_events",
    "something done with a product, as User Behavior Insights 1.3 describes an event; of an order one a product.",
    "search relevance tools that read UBI (OpenSearch, Solr).",
    {
        "application": "STRING",
        "action_name": "STRING",
        "query_id": "STRING",
        "session_id": "STRING",
        "client_id": "STRING",
        "user_id": "STRING",
        "timestamp": "STRING",
        "event_attributes.object.object_id": "STRING",
        "event_attributes.object.object_id_type": "STRING",
        "event_attributes.object.object_id_field": "STRING",
        "event_attributes.position.ordinal": "INT64",
    },
    [
        *interaction(
            {
                **_UBI_EVENT,
                "query_id": "query_id",
                "event_attributes.object.object_id": "product_id",
                "event_attributes.position.ordinal": "position",
            },
            {
                "impression": "impression",
                "view": "view",
                "click": "click",
                "cart_add": "add_to_cart",
                "cart_remove": "remove_from_cart",
                "favourite": "favourite",
            },
            "action_name",
        ),
        Part(
            "order",
            {
                **_UBI_EVENT,
                "action_name": "'purchase'",
                "query_id": "query_id",
                "event_attributes.object.object_id": "entry.product_id",
            },
            PLACED,
            each="items",
        ),
    ],
)
