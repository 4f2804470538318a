"""A list that was served, with everything it was decided by."""

from datetime import date
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from .envelope import Record, UtcDatetime
from .features import PersonaName
from .identifiers import Opaque
from .table import Dataset, Table

DECISIONS_EXPIRY_DAYS = 90

DecisionKind: TypeAlias = Literal["next_basket", "buy_again", "something_new", "goes_with_cart"]
ItemSource: TypeAlias = Literal["bought_before", "like_others", "goes_with", "same_buyers", "in_category", "popular"]


class DecidedItem(Record):
    """One product of the list."""

    product_id: Opaque = Field(description="The product.")
    rank: int = Field(ge=1, description="Its place in the list, from 1.")
    score: float = Field(
        ge=0,
        description="What it was ranked by: the chance of buying it within 30 days, 0 to 1; of `goes_with_cart` the "
        "sum of its affinities to what is in the cart; of `popular` its share of what everyone bought lately.",
    )
    source: ItemSource = Field(
        description="Why it was considered: `bought_before` by the user; `like_others`: the model tier, from users "
        "alike; `goes_with`, `same_buyers` and `in_category` as in `explorations`; `popular` with everyone."
    )
    reason: str = Field(description="The same in words, with the numbers it rests on.")


class Decision(Record):
    """One list of products that was served to one user, and what it was decided by; never changed afterwards."""

    decision_id: str = Field(
        pattern="^[0-9a-f]{32}$", description="Its identity: 32 hex digits of a hash of everything else in the row."
    )
    decided_at: UtcDatetime = Field(description="When; the partition. UTC, microseconds.")
    user_id: Opaque | None = Field(
        None, description="For whom: an opaque identifier; null where the user does not allow personalization."
    )
    kind: DecisionKind = Field(description="What was asked for.")
    as_of: date | None = Field(None, description="The date of the features it rests on; null where there are none.")
    model_version: Opaque | None = Field(
        None, description="The date of the weights or the model's version; null where nothing was predicted."
    )
    code_version: Opaque = Field(description="The version of shopstream that decided.")
    consent: Literal["granted", "refused", "undecided", "unknown"] = Field(
        description="What the user had decided about personalization; `unknown` where nobody answered, which counts "
        "as refused."
    )
    persona: PersonaName | None = Field(None, description="The user's over 180 days, as of the date; null if unknown.")
    rules: tuple[str, ...] = Field((), description="The rules that had an effect, each with how often: `in_cart: 2`.")
    items: tuple[DecidedItem, ...] = Field((), description="The products served, by rank.")
    facts: str = Field(
        description="JSON of everything the rules were given, from which `shopstream-features decision` replays them."
    )

    table: ClassVar[Table] = Table(
        "decisions",
        Dataset.FEATURES,
        partition_by="decided_at",
        expiry_days=DECISIONS_EXPIRY_DAYS,
        cluster_by=("decision_id",),
        erase_by="user_id",
        purpose="personalization",
    )
