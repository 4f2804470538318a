"""What a service knows, by name, becomes the fields of an event for `Capture.track`.

A keyword left out, or None, is left out of the event. Ready-made fields of the envelope (user_id, session_id,
occurred_at …) go in as further keywords.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

Fields = dict[str, object]
Amount = Decimal | int | str
"""An exact amount; a float is not one."""


def search(
    *,
    query_id: str,
    query: str,
    product_ids: Iterable[str] = (),
    first_position: int = 1,
    total_results: int | None = None,
    page: int | None = None,
    sort: str | None = None,
    filters: Mapping[str, str] | None = None,
    latency_ms: float | None = None,
    channel: Literal["web", "app", "store", "voice", "other"] | None = None,
    error: str | None = None,
    **envelope: object,
) -> Fields:
    """A query was answered with these products, the first of which stood at first_position of all results."""
    return _given(
        envelope,
        event_type="search",
        query_id=query_id,
        query=query,
        results=[
            {"product_id": product_id, "position": position}
            for position, product_id in enumerate(product_ids, first_position)
        ],
        total_results=total_results,
        page=page,
        sort=sort,
        filters=None if filters is None else [{"name": name, "value": value} for name, value in filters.items()],
        latency_ms=latency_ms,
        channel=channel,
        error=error,
    )


def interaction(
    *,
    action: Literal["impression", "view", "click", "cart_add", "cart_remove", "favourite"],
    product_id: str,
    query_id: str | None = None,
    position: int | None = None,
    quantity: Amount | None = None,
    unit_price: Amount | None = None,
    currency: str | None = None,
    dwell_ms: float | None = None,
    **envelope: object,
) -> Fields:
    """A shopper did something with one product, found by this search at this place where it came from one."""
    return _given(
        envelope,
        event_type="interaction",
        action=action,
        product_id=product_id,
        query_id=query_id,
        position=position,
        quantity=quantity,
        unit_price=unit_price,
        currency=currency,
        dwell_ms=dwell_ms,
    )


def item(
    *, product_id: str, quantity: Amount, unit_price: Amount, category: str | None = None, brand: str | None = None
) -> Fields:
    """One product of an order."""
    return _given({}, product_id=product_id, quantity=quantity, unit_price=unit_price, category=category, brand=brand)


def order(
    *,
    order_id: str,
    status: Literal["placed", "cancelled", "returned"],
    items: Iterable[Mapping[str, object]],
    currency: str,
    total_amount: Amount,
    channel: Literal["web", "app", "store", "voice", "other"] | None = None,
    query_id: str | None = None,
    **envelope: object,
) -> Fields:
    """An order reached this state; `items` are made by `item`."""
    return _given(
        envelope,
        event_type="order",
        order_id=order_id,
        status=status,
        items=[dict(each) for each in items],
        currency=currency,
        total_amount=total_amount,
        channel=channel,
        query_id=query_id,
    )


def exposure(*, experiment: str, variant: str, decision_id: str | None = None, **envelope: object) -> Fields:
    """A shopper was shown this variant, as `shopstream.schemas.experiment.assigned` gives it."""
    return _given(envelope, event_type="exposure", experiment=experiment, variant=variant, decision_id=decision_id)


def _given(envelope: Mapping[str, object], **fields: object) -> Fields:
    return {name: value for name, value in {**envelope, **fields}.items() if value is not None}
