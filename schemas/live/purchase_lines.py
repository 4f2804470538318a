"""A user's purchases as the live features see them: lines of orders, of which some were taken back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LOOK_BACK = timedelta(days=365)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PurchaseLine:
    """A product in an order that reached a state."""

    product_id: str
    category: str | None
    order_id: str
    status: str
    """placed, cancelled or returned."""
    ordered_at: datetime
    quantity: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A product in an order of which more was placed than taken back."""

    product_id: str
    order_id: str
    ordered_at: datetime
    category: str | None
    age_days: float


def kept_lines(lines: Iterable[PurchaseLine], moment: datetime) -> list[Kept]:
    """What the user bought and kept in the 365 days before the moment, by product, then from the oldest to the latest.

    The same line given twice counts once: order, state, moment and product are its identity.
    """
    first = moment - LOOK_BACK
    once = {
        (line.product_id, line.order_id, line.status, line.ordered_at): line
        for line in lines
        if first <= line.ordered_at < moment
    }
    groups: dict[tuple[str, str], list[PurchaseLine]] = {}
    for line in once.values():
        groups.setdefault((line.product_id, line.order_id), []).append(line)
    kept = (_kept(group, moment) for group in groups.values())
    return sorted(
        (each for each in kept if each is not None), key=lambda each: (each.product_id, each.ordered_at, each.order_id)
    )


def _kept(lines: Sequence[PurchaseLine], moment: datetime) -> Kept | None:
    """What is left of a product in an order; None where as much was taken back as was placed."""
    if sum(line.quantity if line.status == "placed" else -line.quantity for line in lines) <= 0:
        return None
    ordered_at = min(line.ordered_at for line in lines if line.status == "placed")
    category = max((line.category for line in lines if line.category is not None), default=None)
    return Kept(lines[0].product_id, lines[0].order_id, ordered_at, category, (moment - ordered_at) / _DAY)
