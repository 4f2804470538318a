"""The event types: one file each, gathered in one union that knows an event by its event_type."""

from typing import Annotated, get_args

from pydantic import Field

from ..envelope import Event
from .consent import Consent
from .exposure import Exposure
from .interaction import Interaction
from .ledger_entry import LEDGER_ENTRY, LedgerEntry, Refused, Sent
from .order import Order, OrderItem
from .product import Product
from .search import Filter, Intent, Search, SearchResult
from .voice import Turn, Voice

AnyEvent = Annotated[
    Search | Interaction | Order | Voice | Consent | Product | Exposure | LedgerEntry, Field(discriminator="event_type")
]
"""An event of any type, known by its event_type; docs/data-dictionary.md tells what each holds."""

EVENT_TYPES: dict[str, type[Event]] = {
    model.model_fields["event_type"].default: model for model in get_args(get_args(AnyEvent)[0])
}
"""Every event type by its name, derived from the union."""

__all__ = [
    "EVENT_TYPES",
    "LEDGER_ENTRY",
    "AnyEvent",
    "Consent",
    "Exposure",
    "Filter",
    "Intent",
    "Interaction",
    "LedgerEntry",
    "Order",
    "OrderItem",
    "Product",
    "Refused",
    "Search",
    "SearchResult",
    "Sent",
    "Turn",
    "Voice",
]
