"""What is counted of a session while it goes on: plain data, for a job's state. The same as `sessions` counts later.

Counting the same event twice changes nothing, and neither does the order in which events come.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from ..features import CartLine
from ..structs import EventStruct
from .live_session import LiveSession

_COUNTED = {"search": "searches", "view": "views", "click": "clicks", "cart_add": "cart_adds", "order": "orders"}


class CartChange(msgspec.Struct, array_like=True):
    """A product put into the cart, or taken out."""

    moment: datetime
    product_id: str
    quantity: Decimal
    """Below 0 where it was taken out."""


class SessionCounts(msgspec.Struct, array_like=True):
    """Everything needed to say how a session stands."""

    started_at: datetime
    ended_at: datetime
    counts: dict[str, int] = {}
    cart_changes: list[CartChange] = []
    last_order_at: datetime | None = None
    seen: set[str] = set()
    """event_ids."""


def step_of(event: EventStruct) -> str | None:
    """`search`, an interaction's action or `order`; None for what is no step of a session."""
    if event.traffic is not None:
        return None
    if event.event_type == "interaction":
        action: str = event.action  # type: ignore[attr-defined]
        return None if action == "impression" else action
    if event.event_type == "order":
        return "order" if event.status == "placed" else None  # type: ignore[attr-defined]
    return "search" if event.event_type == "search" else None


def count_in(counted: SessionCounts | None, event: EventStruct) -> SessionCounts | None:
    """The session with the event counted in; as it was where the event is no step or was counted before."""
    step = step_of(event)
    if step is None:
        return counted
    moment = event.occurred_at
    if counted is None:
        counted = SessionCounts(moment, moment)
    if event.event_id in counted.seen:
        return counted
    counted.seen.add(event.event_id)
    counted.started_at, counted.ended_at = min(moment, counted.started_at), max(moment, counted.ended_at)
    if name := _COUNTED.get(step):
        counted.counts[name] = counted.counts.get(name, 0) + 1
    if step in ("cart_add", "cart_remove"):
        quantity = Decimal(str(event.quantity or 1))  # type: ignore[attr-defined]
        signed = quantity if step == "cart_add" else -quantity
        counted.cart_changes.append(CartChange(moment, event.product_id, signed))  # type: ignore[attr-defined]
    elif step == "order" and (counted.last_order_at is None or moment > counted.last_order_at):
        counted.last_order_at = moment
    return counted


def cart_of(counted: SessionCounts) -> tuple[CartLine, ...]:
    """What was put into the cart after the last order, less what was taken out, by product."""
    cart: dict[str, Decimal] = {}
    for change in counted.cart_changes:
        if counted.last_order_at is None or change.moment > counted.last_order_at:
            cart[change.product_id] = cart.get(change.product_id, Decimal(0)) + change.quantity
    return tuple(
        CartLine(product_id=product, quantity=quantity) for product, quantity in sorted(cart.items()) if quantity > 0
    )


def live_session(counted: SessionCounts, session_id: str, user_id: str | None, now: datetime) -> LiveSession:
    """The row of the session as it stands."""
    return LiveSession(
        computed_at=now,
        session_id=session_id,
        user_id=user_id,
        events=len(counted.seen),
        started_at=counted.started_at,
        ended_at=counted.ended_at,
        cart=cart_of(counted),
        **{name: counted.counts.get(name, 0) for name in _COUNTED.values()},
    )
