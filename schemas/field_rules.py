"""What an event type promises of its fields beyond what each single event must keep to."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class RequiredShare:
    """So large a share of events has the field."""

    field: str
    least: float


@dataclass(frozen=True)
class InRange:
    """So large a share of the values is from low to high."""

    field: str
    low: float
    high: float
    least: float = 0.99


@dataclass(frozen=True)
class RefersTo:
    """So large a share of the ids is that of an event of another type, in its field of the same name."""

    field: str
    event_type: str
    least: float = 0.95


FieldRule: TypeAlias = RequiredShare | InRange | RefersTo
