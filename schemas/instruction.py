"""What a person asked the pipeline to do through the console, and what came of it."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from .envelope import Record, UtcDatetime
from .failure import Reason, Stage
from .identifiers import Opaque
from .lookup import LOOKUPS_EXPIRY_DAYS, ApiRole
from .table import Dataset, Purpose, Table

InstructionKind: TypeAlias = Literal["replay", "erase", "consent", "hide_product", "show_product"]

NAMED_BY: Mapping[InstructionKind, tuple[str, ...]] = {
    "replay": (),
    "erase": ("user_id",),
    "consent": ("user_id", "purpose", "granted"),
    "hide_product": ("user_id", "product_id"),
    "show_product": ("user_id", "product_id"),
}
"""What an instruction of a kind must name."""


class Instruction(Record):
    """One thing a person asked the pipeline to do, with one key. Never changed; erased with the user it is about."""

    asked_at: UtcDatetime = Field(description="When; the partition. UTC, microseconds.")
    instruction_id: Opaque = Field(description="Its identity.")
    key_name: Opaque = Field(description="The name of the key.")
    role: ApiRole = Field(description="What the key may do.")
    kind: InstructionKind = Field(
        description="`replay` failed events, `erase` a user, record a `consent` decision, or `hide_product` from a "
        "user's recommendations and `show_product` there again."
    )
    reason: str = Field(min_length=1, max_length=500, description="Why, in the person's words, scrubbed.")
    user_id: Opaque | None = Field(None, description="The user it is about: an opaque identifier.")
    product_id: Opaque | None = Field(None, description="The product to hide or show.")
    purpose: Purpose | None = Field(None, description="The use that is decided about.")
    granted: bool | None = Field(None, description="What is decided: true where the use is allowed.")
    failed_stage: Stage | None = Field(None, strict=False, description="Replay only what failed there.")
    failed_reason: Reason | None = Field(None, strict=False, description="Replay only what failed for that.")
    failed_field: Opaque | None = Field(None, description="Replay only what failed with that field.")

    table: ClassVar[Table] = Table(
        "instructions",
        Dataset.PRIVACY,
        partition_by="asked_at",
        expiry_days=LOOKUPS_EXPIRY_DAYS,
        erase_by="user_id",
    )

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> Self:
        if missing := [name for name in NAMED_BY[self.kind] if getattr(self, name) is None]:
            raise ValueError(f"{self.kind} needs {missing[0]}")
        return self


class InstructionOutcome(Record):
    """What came of one instruction. It says nothing of whom it was about, so that it outlasts an erasure."""

    ended_at: UtcDatetime = Field(description="When it was carried out or given up; the partition. UTC, microseconds.")
    instruction_id: Opaque = Field(description="The instruction.")
    asked_at: UtcDatetime = Field(description="When it was asked for. UTC, microseconds.")
    key_name: Opaque = Field(description="The name of the key it was asked with.")
    role: ApiRole = Field(description="What the key may do.")
    kind: InstructionKind = Field(description="What was asked for.")
    status: Literal["done", "failed"] = Field(description="Whether it was done.")
    detail: str = Field(description="What was done, in counts, or why it was not.")

    table: ClassVar[Table] = Table(
        "instruction_outcomes",
        Dataset.PRIVACY,
        partition_by="ended_at",
        expiry_days=LOOKUPS_EXPIRY_DAYS,
    )
