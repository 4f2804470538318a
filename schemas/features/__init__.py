"""The rows of the feature tables: one file each, gathered in one list."""

from typing import TypeAlias

from .consent_record import ConsentDecision
from .customer_outlook import CustomerOutlook
from .exploration import Exploration
from .persona import Persona, PersonaName
from .product_affinity import ProductAffinity
from .product_day import ProductDay
from .product_popularity import ProductPopularity
from .product_query import ProductQuery
from .product_rhythm import ProductRhythm
from .product_score import ProductScore
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
    | ProductScore
    | SearchPosition
    | Query
    | ProductQuery
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
    ProductScore,
    SearchPosition,
    Query,
    ProductQuery,
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
    "ProductQuery",
    "ProductRhythm",
    "ProductScore",
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
