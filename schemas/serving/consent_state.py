"""What a user has decided about the uses of data, as readers are served it."""

from typing import ClassVar

from pydantic import Field

from ..envelope import Record
from ..identifiers import Opaque
from ..table import Dataset, Purpose, Table


class ConsentState(Record):
    """One user and one purpose: the latest decision, of the view `consent_states`."""

    user_id: Opaque = Field(description="Whose decision it is: an opaque identifier.")
    purpose: Purpose = Field(description="The use that is decided about.")
    granted: bool = Field(description="True where it is allowed.")

    table: ClassVar[Table] = Table("consent_states", Dataset.VIEWS, partition_by="decided_at", expiry_days=None)
