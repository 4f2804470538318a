"""A shopper was shown a variant of an experiment."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Event, event_table
from ..identifiers import Opaque
from ..table import Table


class Exposure(Event):
    """A shopper was shown a variant of an experiment; the first one of a user counts."""

    event_type: Literal["exposure"] = Field("exposure", description="Always `exposure`.")
    experiment: Opaque = Field(description="The experiment's name.")
    variant: Opaque = Field(description="The name of the variant that was shown.")
    decision_id: Opaque | None = Field(None, description="The decision that was shown, if it was a list of products.")

    table: ClassVar[Table] = event_table("exposures", cluster_by=("experiment", "user_id"))
