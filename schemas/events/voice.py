"""A shopper spoke with an assistant."""

from typing import ClassVar, Literal

from pydantic import Field

from ..envelope import Arrival, Event, Record, VisitArrival, event_table
from ..identifiers import Opaque
from ..quantities import Milliseconds
from ..table import Table


class Turn(Record):
    """One thing said."""

    role: Literal["user", "agent"] = Field(description="Who spoke.")
    text: str = Field(max_length=10_000, description="What was said, scrubbed of personal data before it is kept.")
    offset_ms: Milliseconds = Field(description="Milliseconds from the start of the conversation.")


class Voice(Event):
    """A spoken conversation ended."""

    event_type: Literal["voice"] = Field("voice", description="Always `voice`.")
    provider: Opaque = Field(description="Who ran the conversation.")
    conversation_id: Opaque = Field(description="The provider's identity of the conversation.")
    duration_ms: Milliseconds = Field(description="Length of the conversation, in milliseconds.")
    turns: tuple[Turn, ...] = Field((), max_length=1000, description="What was said, in order.")
    query_ids: tuple[Opaque, ...] = Field((), max_length=100, description="Searches made in the conversation.")

    table: ClassVar[Table] = event_table("voice_conversations", cluster_by=("user_id", "conversation_id"))
    arrival: ClassVar[type[Arrival]] = VisitArrival
