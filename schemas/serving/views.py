"""What is served: for each feature table, the rows of the latest date by the key they are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import orjson
from pydantic import BaseModel

from ..features import (
    Exploration,
    ModelReorder,
    Persona,
    ProductAffinity,
    ProductPopularity,
    Profile,
    Reorder,
    ReorderWeight,
)
from ..live.hidden_products import HIDDEN_PRODUCTS_EXPIRY_DAYS, HiddenProducts
from ..live.live_reorders import LIVE_EXPIRY_DAYS, LiveReorders
from ..live.live_session import LiveSession
from ..table import PURPOSES, Purpose, Table
from .consent_state import ConsentState
from .keys import moment
from .served import (
    ServedConsentState,
    ServedExploration,
    ServedHiddenProducts,
    ServedLiveReorders,
    ServedLiveSession,
    ServedModelReorder,
    ServedPersona,
    ServedProductAffinity,
    ServedProductPopularity,
    ServedProfile,
    ServedReorder,
    ServedReorderWeight,
)

__all__ = [
    "AFFINITIES",
    "CONSENTS",
    "EXPLORATIONS",
    "HIDDEN_PRODUCTS",
    "LIVE_REORDERS",
    "LIVE_SESSIONS",
    "MODEL_REORDERS",
    "PERSONAS",
    "POPULAR",
    "PRODUCTS",
    "PROFILES",
    "REORDERS",
    "WEIGHTS",
    "ServedView",
]

Item = TypeVar("Item", bound=msgspec.Struct)

MOST_REORDERS = 50
"""Of a user; who wants more reads the table."""
MOST_POPULAR = 300
EVERYTHING = ""
"""The key of a view whose rows are the same for everyone."""


@dataclass(frozen=True)
class ServedView(Generic[Item]):
    """Rows of a feature table under a key: one value a key, as MessagePack without names."""

    name: str
    """What it is published as."""
    model: type[BaseModel]
    """The row of its table."""
    item: type[Item]
    """A row as it is served."""
    key: str | None
    """The column asked by; None where there is one answer for everyone."""
    most: int = 1
    """So many rows a key at most."""
    order_by: tuple[str, ...] = ()
    """The order of a key's rows; of a live view what tells the latest row: a time, and a number or another time."""
    seconds: int = 36 * 3600
    """How long a value stays in Redis: half a day beyond the next nightly run."""
    live: bool = False
    """Written by the stream, one row at a time behind its moment, under the version LIVE."""

    @property
    def table(self) -> Table:
        """The table the rows are from."""
        table: Table = self.model.table  # type: ignore[attr-defined]
        return table

    @property
    def dated(self) -> bool:
        """Whether its table has rows for each date; else it says how things are now."""
        return self.table.partition_by == "as_of"

    @property
    def purpose(self) -> Purpose | None:
        """What its rows are used for: who does not allow it has none."""
        return self.table.purpose

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What is read of the table, in the order of the value."""
        return self.item.__struct_fields__

    @cached_property
    def layout(self) -> str:
        """Names the columns and their types: who knows another layout does not read the value."""
        schema = msgspec.json.schema(tuple[self.item, ...])  # type: ignore[name-defined]
        return sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]

    def encode(self, items: Sequence[Item]) -> bytes:
        """The value of a key."""
        return msgspec.msgpack.encode(items)

    @cached_property
    def decode(self) -> "Callable[[bytes], tuple[Item, ...]]":
        """Gives the rows of a value; raises msgspec.DecodeError for one that is none of this view."""
        decoder: msgspec.msgpack.Decoder[tuple[Item, ...]] = msgspec.msgpack.Decoder(tuple[self.item, ...])  # type: ignore[name-defined]
        return decoder.decode

    def served(self, row: BaseModel) -> Item:
        """A row of the table as it is served."""
        return msgspec.convert(row, self.item, from_attributes=True)

    def live_value(self, row: BaseModel) -> bytes:
        """The value of a live view's row, behind its moment."""
        at, then = (getattr(row, column) for column in self.order_by)
        return moment(at, then) + self.encode([self.served(row)])


View: TypeAlias = ServedView[Any]
"""One whose rows do not matter."""

PROFILES = ServedView("profiles", Profile, ServedProfile, "user_id")
"""What each user is like."""
PERSONAS = ServedView("personas", Persona, ServedPersona, "user_id", 2, ("window_days",))
"""Each user's personas, over 30 and over 180 days."""
REORDERS = ServedView("reorders", Reorder, ServedReorder, "user_id", MOST_REORDERS, ("rank",))
"""What each user will most probably buy again, by the formula."""
MODEL_REORDERS = ServedView("model_reorders", ModelReorder, ServedModelReorder, "user_id", MOST_REORDERS, ("rank",))
"""The same by the model tier."""
EXPLORATIONS = ServedView("explorations", Exploration, ServedExploration, "user_id", 30, ("rank",))
"""What each user may try."""
PRODUCTS = ServedView("product_popularity", ProductPopularity, ServedProductPopularity, "product_id")
"""How much each product sells, and whether it is available."""
AFFINITIES = ServedView("product_affinities", ProductAffinity, ServedProductAffinity, "product_id", 50, ("rank",))
"""What is bought together with each product."""
POPULAR = ServedView("popular_products", ProductPopularity, ServedProductPopularity, None, MOST_POPULAR, ("rank",))
"""What sells best; the same for everyone."""
WEIGHTS = ServedView("reorder_weights", ReorderWeight, ServedReorderWeight, None, 1000, ("horizon_days", "feature"))
"""The weights of the reorder formula; the same for everyone."""
CONSENTS = ServedView("consents", ConsentState, ServedConsentState, "user_id", len(PURPOSES), ("purpose",))
"""What each user has decided about uses of data."""

NIGHTLY = (PROFILES, PERSONAS, REORDERS, MODEL_REORDERS, EXPLORATIONS, PRODUCTS, AFFINITIES, POPULAR, WEIGHTS, CONSENTS)
"""Published after feature jobs, each a date at a time."""
LIVE = "live"
"""The version of what the stream writes."""
LIVE_SESSIONS = ServedView(
    "live_sessions",
    LiveSession,
    ServedLiveSession,
    "user_id",
    order_by=("ended_at", "events"),
    seconds=LIVE_EXPIRY_DAYS * 86400,
    live=True,
)
"""What each user is doing, by the stream."""
LIVE_REORDERS = ServedView(
    "live_reorders",
    LiveReorders,
    ServedLiveReorders,
    "user_id",
    order_by=("ordered_at", "computed_at"),
    seconds=LIVE_EXPIRY_DAYS * 86400,
    live=True,
)
"""What each user will buy again, as of the last order, by the stream."""
HIDDEN_PRODUCTS = ServedView(
    "hidden_products",
    HiddenProducts,
    ServedHiddenProducts,
    "user_id",
    order_by=("asked_at", "computed_at"),
    seconds=HIDDEN_PRODUCTS_EXPIRY_DAYS * 86400,
    live=True,
)
"""What each user is not recommended, by the console."""
SERVED = (*NIGHTLY, LIVE_SESSIONS, LIVE_REORDERS, HIDDEN_PRODUCTS)
