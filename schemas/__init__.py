"""The contract: what an event, a message, a failure, a table and a feature are. Imports nothing of ours."""

from .envelope import Event, Record
from .environment import CloudSettings, RedisSettings, Settings, SettingsError, read_settings
from .events import EVENT_TYPES, AnyEvent
from .failure import FailedEvent, Reason, Rejected, Stage, Unavailable
from .message import Message, pack, unpack
from .validation import read_event, write_event, write_fields
from .views import ALL_VIEWS
from .warehouse import ALL_TABLES

__all__ = [
    "ALL_TABLES",
    "ALL_VIEWS",
    "EVENT_TYPES",
    "AnyEvent",
    "CloudSettings",
    "Event",
    "FailedEvent",
    "Message",
    "Reason",
    "Record",
    "RedisSettings",
    "Rejected",
    "Settings",
    "SettingsError",
    "Stage",
    "Unavailable",
    "pack",
    "read_event",
    "read_settings",
    "unpack",
    "write_event",
    "write_fields",
]
