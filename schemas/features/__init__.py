"""The rows of the feature tables: one file each, gathered in one list."""

from .profile import Profile
from .purchase import Purchase
from .reorder import Reorder, ReorderInputs
from .reorder_weight import ReorderWeight

FEATURE_TABLES: tuple[type[Profile | Purchase | Reorder | ReorderWeight], ...] = (
    Purchase,
    ReorderWeight,
    Reorder,
    Profile,
)
"""Every feature table, each after those its query reads."""

__all__ = [
    "FEATURE_TABLES",
    "Profile",
    "Purchase",
    "Reorder",
    "ReorderInputs",
    "ReorderWeight",
]
