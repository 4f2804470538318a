"""What the tables of the shop hold that the console is shown over."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from shopstream.ml_features.decisions.decide import decide
from shopstream.ml_features.decisions.facts import Bought, Facts
from shopstream.ml_features.decisions.trace import decision_of
from shopstream.schemas.features import Reorder
from shopstream.schemas.features.reorder import ReorderInputs

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
AS_OF = TODAY - timedelta(days=1)
USER = "u-4711"
WALKER = "u-walks"
"""Who took more steps than a page shows."""
REFUSES = "u-refuses"
MARKUP = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
SCRIPTS = {"p-markup": MARKUP, "p-arabic": "شاي أخضر", "p-chinese": "绿茶 250克", "p-emoji": "🍵 Tee “grün” & 'herb'"}
"""Products whose names are not plain words."""

Row = dict[str, Any]


def _event(event_type: str, number: int, occurred_at: datetime, **fields: Any) -> Row:
    return {
        "event_id": f"01a1f640-f3c5-79e9-{hash_of(event_type):04x}-{number:012x}",
        "event_type": event_type,
        "schema_version": 1,
        "source": "shop",
        "imported": False,
        **dict.fromkeys(("occurred_at", "received_at"), occurred_at.isoformat()),
        "ingested_at": (occurred_at + timedelta(milliseconds=800)).isoformat(),
        **fields,
    }


def hash_of(word: str) -> int:
    """A small number that is the same in every process."""
    return 0x8000 + sum(word.encode()) % 0x1000


def _journey(user: str, first: int, steps: int) -> tuple[list[Row], list[Row]]:
    """Searches and clicks of one user, four a visit."""
    searches, interactions = [], []
    for step in range(steps):
        number, visit = first + step, step // 4
        at = NOW - timedelta(hours=3 + visit * 7) + timedelta(seconds=20 * (step % 4))
        common = {"user_id": user, "session_id": f"{user}-{visit}", "query_id": f"q-{user}-{visit}"}
        if step % 4 == 0:
            names = {
                "query": "green tea",
                "normalised_query": "green tea",
                "page": 1,
                "total_results": 12,
                "channel": "web",
            }
            searches.append(_event("search", number, at, **common, **names))
        else:
            product = ("p-tea", *SCRIPTS)[step % 5]
            action = ("view", "click", "cart_add")[step % 4 - 1]
            interactions.append(
                _event("interaction", number, at, **common, action=action, product_id=product, position=step % 4)
            )
    return searches, interactions


def _score(product: str, name: str, as_of: date, score: float, rank: int) -> Row:
    return {
        "as_of": str(as_of),
        "product_id": product,
        "name": name,
        "category": "tea",
        "category_products": 5,
        "price": "4.20",
        "currency": "EUR",
        "median_price": "4.50",
        "price_score": 93.3,
        "rating": 4.4,
        "rating_count": 31,
        "rating_score": 86.0,
        "views": 120,
        "cart_adds": 30,
        "orders": 12,
        "popularity_score": score,
        "score": score,
        "category_rank": rank,
    }


def _listed(product: str, name: str, rank: int | None) -> Row:
    counts = {"buyers": 9, "orders": 12, "share": 0.2, "category_share": 0.5, "rank": rank, "category_rank": rank}
    about = {"category": "tea", "brand": "Leaf", "price": "4.20", "currency": "EUR", "availability": "in_stock"}
    return {"as_of": str(AS_OF), "product_id": product, "name": name, "available": True, **about, **counts}


def _reorder(rank: int, product: str) -> Row:
    inputs = ReorderInputs.model_validate(dict.fromkeys(ReorderInputs.model_fields, 0.0))
    row = Reorder(
        as_of=AS_OF,
        user_id=USER,
        product_id=product,
        rank=rank,
        probability=0.9 / rank,
        probability_7_days=0.4 / rank,
        purchases=6,
        last_purchased_at=NOW - timedelta(days=9),
        days_since_last=9.0,
        mean_gap_days=11.0,
        decayed_purchases=2.5,
        next_in_days_early=2.0,
        next_in_days_middle=8.0,
        next_in_days_late=21.0,
        inputs=inputs,
    )
    return row.model_dump(mode="json")


def decision() -> Any:
    """A list that was served to USER."""
    bought = Bought(
        product_id="p-tea", category="tea", purchases=6, days_since_last=9.0, mean_gap_days=11.0, probability=0.9
    )
    facts = Facts(kind="buy_again", k=3, consent="granted", allowed=True, as_of=AS_OF, bought=(bought,))
    return decision_of(facts, decide(facts), USER, NOW - timedelta(hours=2))


def rows_of_the_shop() -> dict[str, list[Row]]:
    """What the tables hold, by table."""
    searches, interactions = _journey(USER, 0, 8)
    more = _journey(WALKER, 1000, 260)
    refused = _journey(REFUSES, 5000, 4)
    order = _event(
        "order", 1, NOW - timedelta(hours=3, seconds=-90), user_id=USER, session_id=f"{USER}-0", order_id="o-1",
        status="placed", currency="EUR", total_amount="12.60",
        items=[{"product_id": "p-tea", "quantity": "3", "unit_price": "4.20"}],
    )  # fmt: skip
    consents = [
        _event(
            "consent",
            n,
            NOW - timedelta(days=3 - n),
            user_id=user,
            purpose=purpose,
            granted=granted,
            policy_version="v2",
        )
        for n, (user, purpose, granted) in enumerate(
            [(USER, "analytics", True), (USER, "personalization", True), (REFUSES, "analytics", False)]
        )
    ]
    failure = {
        "stage": "validate",
        "reason": "missing_field",
        "field": "currency",
        "detail": "field required",
        "event_type": "order",
        "payload": "bm90IGpzb24=",
        "payload_bytes": 8,
        "code_version": "0.1.0",
        **{name: (NOW - timedelta(minutes=20)).isoformat() for name in ("received_at", "failed_at")},
    }
    days = [AS_OF - timedelta(days=n) for n in range(28)]
    counts = ("shown", "views", "clicks", "cart_adds", "cart_removes", "favourites", "orders", "returns")
    checked = {"checked_at": (NOW - timedelta(minutes=30)).isoformat(), "threshold": "default", "job": "quality"}
    steps = {
        "alert_id": "a" * 32,
        "rule": "prices",
        "subject": "p-tea",
        "occurrence": "x",
        "severity": "warning",
        "value": 25,
        "bound": 10,
        "text": "Green tea costs 5.00 EUR after 4.00 (+25 %)",
    }
    names = {"p-tea": "Green tea", **SCRIPTS}
    profile = {
        "as_of": str(AS_OF),
        "user_id": USER,
        "orders": 7,
        "searches": 12,
        "clicks": 9,
        "currency": "EUR",
        "spend": "95.40",
        "mean_basket_value": "13.63",
        "mean_days_between_orders": 11.0,
        "churn_risk": 0.12,
        "lifecycle_stage": "active",
        "expected_order_days": 7.4,
        "price_level": 1.05,
        "search_style": "decided",
        "favourite_categories": ["tea", "coffee"],
        "favourite_brands": ["Leaf"],
        "last_order_at": (NOW - timedelta(days=9)).isoformat(),
        "days_since_last_order": 9.0,
    }
    persona = {"as_of": str(AS_OF), "user_id": USER, "window_days": 180, "persona": "top_up", "since": str(days[9])}
    query = {"as_of": str(AS_OF - timedelta(days=3)), "window_days": 28, "carted": 20, "ordered": 10, "searches": 90}
    return {
        "searches": [*searches, *more[0], *refused[0]],
        "interactions": [*interactions, *more[1], *refused[1]],
        "orders": [order],
        "consents": consents,
        "failed_events": [failure | {"event_id": f"01a1f640-f3c5-79e9-a5b7-{n:012x}"} for n in range(3)],
        "quality_results": [
            checked | {"rule": "freshness.search", "value": 95.0, "most": 60.0, "verdict": "breach"},
            checked | {"rule": "volume.order", "value": 0.9, "least": 0.3, "most": 5.0, "verdict": "ok"},
        ],
        "alerts": [
            steps | {"step": "opened", "occurred_at": (NOW - timedelta(hours=1)).isoformat()},
            steps | {"step": "told", "occurred_at": NOW.isoformat(), "channel": "webhook", "message_id": "a" * 32},
        ],
        "cost_estimates": [
            {"estimated_at": NOW.isoformat(), "service": service, "what": what, "dollars": dollars}
            | {"users": 50, "days": 7}
            for service, what, dollars in [("BigQuery", "streaming inserts", 0.42), ("Dataflow", "one worker", 60.0)]
        ],
        "profiles": [profile],
        "personas": [
            persona | {"orders": 7, "previous_persona": "newcomer"},
            persona | {"window_days": 30, "orders": 2},
        ],
        "reorders": [_reorder(n, product) for n, product in enumerate(names, 1)],
        "product_popularity": [_listed(product, name, n) for n, (product, name) in enumerate(names.items(), 1)],
        "product_scores": [
            _score(product, name, day, 90.0 - 10 * n - (day.day % 5), n + 1)
            for n, (product, name) in enumerate(names.items())
            for day in days[:14]
        ],
        "product_days": [
            {"day": str(day), "product_id": "p-tea", "units": "9", "revenue": "37.80", "currency": "EUR"}
            | {name: 20 - 2 * n + day.day % 7 for n, name in enumerate(counts)}
            for day in days
        ],
        "product_queries": [query | {"product_id": "p-tea", "query": "green tea", "users": 60, "clicked": 40}],
        "queries": [
            query | {"query": name, "users": users, "intent": "product", "clicked": 40}
            | {"without_results": 10, "abandoned": 20}
            for name, users in [("green tea", 60), ("<b>bold</b> tea", 40)]
        ],
        "search_outcomes": [
            {
                "day": str(day), "query_id": f"q-{n}-{day}", "occurred_at": f"{day}T10:00:00Z", "intent": intent,
                "pages": 1, "clicks": n % 2, "without_results": False, "clicked": n % 2 == 1, "carted": n == 1,
                "ordered": n == 1, "abandoned": n % 2 == 0, "user_id": f"u-{n}", "normalised_query": "green tea",
            }
            for day in days
            for n, intent in enumerate(["product", "category", "product"])
        ],
        "search_positions": [
            {"day": str(AS_OF), "intent": "product", "position": n, "shown": 100, "clicked": 40 // n}
            | {"carted": 9, "ordered": 3}
            for n in range(1, 8)
        ],
        "sessions": [
            {
                "day": str(AS_OF), "session_id": "s",
                "started_at": f"{AS_OF}T10:00:00Z", "ended_at": f"{AS_OF}T10:09:00Z",
                "entry_step": "search", "exit_step": "order",
                **dict.fromkeys(("searches", "views", "clicks", "cart_adds", "orders"), 1),
            }
        ],
        "decisions": [decision().model_dump(mode="json")],
        "lookups": [
            {
                "looked_up_at": (NOW - timedelta(days=1)).isoformat(), "request_id": "r-1", "key_name": "=cmd()",
                "role": "read", "route": "/v1/users/{user_id}/profile", "user_id": USER, "status": 200,
            }
        ],
    }  # fmt: skip
