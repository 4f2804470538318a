"""A shopper allowed or forbade a use of data."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Event, event_table
from ..identifiers import Opaque
from ..table import Purpose, Table


class Consent(Event):
    """A shopper's decision about one purpose; the latest one counts."""

    event_type: Literal["consent"] = Field("consent", description="Always `consent`.")
    user_id: Opaque = Field(description="Whose decision it is: an opaque identifier.")
    purpose: Purpose = Field(description="The use that is decided about.")
    granted: bool = Field(description="True where it is allowed.")
    policy_version: Opaque = Field(description="The privacy policy that was shown.")

    table: ClassVar[Table] = event_table("consents", cluster_by=("user_id", "purpose"))
