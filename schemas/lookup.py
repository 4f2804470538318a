"""Who looked up whom: the audit of the serving API."""

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from .envelope import Record, UtcDatetime
from .identifiers import Opaque
from .table import Dataset, Table

LOOKUPS_EXPIRY_DAYS = 400

ApiRole: TypeAlias = Literal["read", "application", "admin"]


class Lookup(Record):
    """One user whose data was asked for with one key, answered or refused. Never changed; erased with the user."""

    looked_up_at: UtcDatetime = Field(description="When; the partition. UTC, microseconds.")
    request_id: Opaque = Field(description="The X-Request-Id of the answer.")
    key_name: Opaque = Field(description="The name of the key.")
    role: ApiRole = Field(description="What the key may do.")
    route: Opaque = Field(description="What was asked for, such as `/v1/users/{user_id}/profile`.")
    user_id: Opaque = Field(description="Whose data: an opaque identifier.")
    status: int = Field(ge=100, le=599, description="The HTTP status of the answer; 499 where the client had left.")

    table: ClassVar[Table] = Table(
        "lookups",
        Dataset.PRIVACY,
        partition_by="looked_up_at",
        expiry_days=LOOKUPS_EXPIRY_DAYS,
        cluster_by=("user_id",),
        erase_by="user_id",
    )
