"""Every view there is, derived from the tables or written in a file of its own."""

from ..table import Dataset
from ..warehouse import (
    ALERTS,
    COST_ESTIMATES,
    DECISIONS,
    FEATURES,
    HIDDEN_PRODUCTS,
    LIVE_REORDERS,
    LIVE_SESSIONS,
    QUALITY_RESULTS,
    RAW_TABLES,
    WRITTEN_INSIGHTS,
)
from .arrivals import ARRIVALS_VIEW, arrivals
from .events import (
    FAILED_VIEW,
    FIRST_ARRIVED,
    FRESHNESS_VIEW,
    OPEN_FAILURES_VIEW,
    as_it_is,
    event_view,
    failed_view,
    freshness,
    open_failures,
)
from .exports import SHAPES
from .files import view_in_file
from .ledger import BALANCE_VIEW, MINUTES_VIEW, balance, minutes
from .view import View

EVENT_VIEWS: dict[str, View] = {event_type: event_view(table) for event_type, table in RAW_TABLES.items()}
"""What people query, for each event type."""

PEOPLES_VIEWS: tuple[View, ...] = tuple(
    view_in_file(name)
    for name in (
        "search_funnel",
        "search_funnel_by_position",
        "unsuccessful_searches",
        "session_journeys",
        "product_performance",
        "cohort_retention",
        "daily_active_users",
    )
)
"""What is written for people to read, each in a file of its own."""

EXPORTS: tuple[View, ...] = tuple(shape.view() for shape in SHAPES)
"""Events in the shapes of other tools."""

ALL_VIEWS: tuple[View, ...] = (
    *EVENT_VIEWS.values(),
    failed_view(),
    open_failures(),
    view_in_file("consent_periods"),
    view_in_file("consent_states"),
    as_it_is(QUALITY_RESULTS),
    as_it_is(ALERTS),
    as_it_is(COST_ESTIMATES),
    *(as_it_is(table) for table in FEATURES.values() if table.table.dataset is not Dataset.PRIVACY),
    as_it_is(LIVE_REORDERS),
    as_it_is(LIVE_SESSIONS),
    as_it_is(HIDDEN_PRODUCTS),
    as_it_is(DECISIONS),
    as_it_is(WRITTEN_INSIGHTS),
    *PEOPLES_VIEWS,
    *EXPORTS,
    balance(),
    minutes(),
    freshness(),
    arrivals(),
)
"""Every view, each after those it reads."""

__all__ = [
    "ALL_VIEWS",
    "ARRIVALS_VIEW",
    "BALANCE_VIEW",
    "EVENT_VIEWS",
    "EXPORTS",
    "FAILED_VIEW",
    "FIRST_ARRIVED",
    "FRESHNESS_VIEW",
    "MINUTES_VIEW",
    "OPEN_FAILURES_VIEW",
    "PEOPLES_VIEWS",
    "View",
]
