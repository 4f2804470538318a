"""Every view there is, derived from the tables or written in a file of its own."""

from ..warehouse import FEATURES, RAW_TABLES
from .events import FAILED_VIEW, FIRST_ARRIVED, FRESHNESS_VIEW, as_it_is, event_view, failed_view, freshness
from .ledger import BALANCE_VIEW, MINUTES_VIEW, balance, minutes
from .view import View

EVENT_VIEWS: dict[str, View] = {event_type: event_view(table) for event_type, table in RAW_TABLES.items()}
"""What people query, for each event type."""

ALL_VIEWS: tuple[View, ...] = (
    *EVENT_VIEWS.values(),
    failed_view(),
    *(as_it_is(table) for table in FEATURES.values()),
    balance(),
    minutes(),
    freshness(),
)
"""Every view, each after those it reads."""

__all__ = [
    "ALL_VIEWS",
    "BALANCE_VIEW",
    "EVENT_VIEWS",
    "FAILED_VIEW",
    "FIRST_ARRIVED",
    "FRESHNESS_VIEW",
    "MINUTES_VIEW",
    "View",
]
