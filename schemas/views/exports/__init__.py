"""Views in the shapes other tools expect, generated from what each of our events becomes in them.

A row is an event of a shopper who allows analytics, or of nobody known. Beside the shape's own columns each view has
`received_at`, the partition of the tables beneath, by which a transfer reads one day.
"""

from .ga4 import GA4_EVENTS
from .retail import RETAIL_USER_EVENTS
from .segment import SEGMENT_EVENTS
from .shape import Shape
from .ubi import UBI_EVENTS, UBI_QUERIES

SHAPES: tuple[Shape, ...] = (UBI_QUERIES, UBI_EVENTS, GA4_EVENTS, RETAIL_USER_EVENTS, SEGMENT_EVENTS)
"""Every shape there is a view for."""

__all__ = ["SHAPES", "Shape"]
