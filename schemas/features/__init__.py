"""The rows of the feature tables: one file each, gathered in one list."""

from typing import TypeAlias

from .consent_record import ConsentDecision
from .customer_outlook import CustomerOutlook
from .exploration import Exploration
from .persona import Persona, PersonaName
from .product_affinity import ProductAffinity
from .product_day import ProductDay
from .product_popularity import ProductPopularity
from .product_rhythm import ProductRhythm
from .profile import ChannelConversion, Profile
from .purchase import Purchase
from .query import Query
from .reorder import ModelReorder, ProductPrediction, Reorder, ReorderInputs, next_in_words
from .reorder_weight import ReorderWeight
from .search_outcome import SearchOutcome
from .search_position import SearchPosition
from .session import CartLine, Session, SessionStep

Feature: TypeAlias = (
    ConsentDecision
    | Purchase
    | ReorderWeight
    | Reorder
    | ProductRhythm
    | ModelReorder
    | CustomerOutlook
    | Profile
    | Persona
    | ProductPopularity
    | ProductAffinity
    | Exploration
    | SearchOutcome
    | Session
    | ProductDay
    | SearchPosition
    | Query
)

FEATURE_TABLES: tuple[type[Feature], ...] = (
    ConsentDecision,
    Purchase,
    ReorderWeight,
    Reorder,
    ProductRhythm,
    ModelReorder,
    CustomerOutlook,
    Profile,
    Persona,
    ProductPopularity,
    ProductAffinity,
    Exploration,
    SearchOutcome,
    Session,
    ProductDay,
    SearchPosition,
    Query,
)
"""Every feature table, each after those its query reads."""

__all__ = [
    "FEATURE_TABLES",
    "CartLine",
    "ChannelConversion",
    "ConsentDecision",
    "CustomerOutlook",
    "Exploration",
    "Feature",
    "ModelReorder",
    "Persona",
    "PersonaName",
    "ProductAffinity",
    "ProductDay",
    "ProductPopularity",
    "ProductPrediction",
    "ProductRhythm",
    "Profile",
    "Purchase",
    "Query",
    "Reorder",
    "ReorderInputs",
    "ReorderWeight",
    "SearchOutcome",
    "SearchPosition",
    "Session",
    "SessionStep",
    "next_in_words",
]
