"""Everything a list of products is decided by."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from shopstream.schemas.decision import DecisionKind, ItemSource
from shopstream.schemas.features import PersonaName

from ..consent import Decided


class Fact(BaseModel):
    """What is known of something; kept with the decision as JSON, in which numbers come back to the last digit."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bought(Fact):
    """A product the user bought in the last 365 days."""

    product_id: str
    category: str | None
    purchases: int
    days_since_last: float
    mean_gap_days: float | None
    """None when bought once, or where the model tier does not say."""
    probability: float | None = None
    """Of buying it within 30 days, where the model tier says it; None where `inputs` and the weights do."""
    inputs: Mapping[str, float] | None = None
    model_inputs: str | None = None
    """What the model tier's probability was computed from, as `model_reorders` keeps it."""


class New(Fact):
    """A product the user has not bought."""

    product_id: str
    category: str | None
    probability: float
    """Of buying it within 30 days."""
    source: ItemSource
    buyers: int | None = None
    """Users who bought it in the last 28 days."""
    because: str | None = None
    """The user's product that says most for it: its name, or its product_id without one."""
    together_orders: int | None = None
    together_users: int | None = None
    model_inputs: str | None = None
    """As of Bought."""


class Popular(Fact):
    """A product that sells."""

    product_id: str
    category: str | None
    share: float
    """Of what everyone bought lately."""
    buyers: int


class GoesWith(Fact):
    """A product and one in the cart."""

    product_id: str
    category: str | None
    affinity: float
    """In orders and in buyers, added up."""
    in_cart: str
    """The one in the cart: its name, or its product_id without one."""
    orders: int


class Facts(Fact):
    """What is known when a list is asked for."""

    kind: DecisionKind
    k: int = Field(ge=1, le=100)
    consent: Decided
    allowed: bool
    """Whether what is known of the user may be used: nothing of it is in here where not."""
    as_of: date | None = None
    model_version: str | None = None
    persona: PersonaName | None = None
    weights: Mapping[str, float] = {}
    """Of the chance within 30 days, by input and `intercept`; empty with the model tier."""
    bought: tuple[Bought, ...] = ()
    new: tuple[New, ...] = ()
    popular: tuple[Popular, ...] = ()
    goes_with: tuple[GoesWith, ...] = ()
    cart: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    """Products that somebody took out of the user's lists."""
    unavailable: tuple[str, ...] = ()
    """Of the products above, those that may not be recommended at present."""
    unanswered: tuple[str, ...] = ()
    """The views nobody answered for in time: what they would have said is missing."""

    @property
    def by_model_tier(self) -> list[Bought | New]:
        """The products whose chance the model tier says, with what it was computed from."""
        every: list[Bought | New] = [*self.bought, *self.new]
        return [each for each in every if each.model_inputs is not None]
