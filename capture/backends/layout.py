"""Where in a tree of folders a record belongs: by what it is and when it occurred, both read from the record alone."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

import orjson
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shopstream.schemas import Reason, Rejected
from shopstream.schemas.message import FAILED_EVENT

from ..spool_format import Record


def by_folder(records: Iterable[Record], *, hours: bool) -> dict[str, list[Record]]:
    """The records by folder, in their order: `search/date=2026-11-21`, with `/hour=13` where hours are told apart.

    The date is that of occurred_at, of a failed event that of failed_at, in UTC. Not the time of shipping: a record
    belongs to the same folder however often and however late it is sent.

    Raises:
        Rejected: A record shows no such time.
    """
    folders: dict[str, list[Record]] = {}
    for record in records:
        day = f"{_moment(record):date=%Y-%m-%d/hour=%H}"
        folders.setdefault(f"{record.event_type}/{day if hours else day.partition('/')[0]}", []).append(record)
    return folders


def ndjson(records: Iterable[Record]) -> bytes:
    """The records' documents, one a line."""
    return b"".join(b"%s\n" % record.document for record in records)


def _moment(record: Record) -> datetime:
    field = "failed_at" if record.event_type == FAILED_EVENT else "occurred_at"
    try:
        # The contract's own reader of times: it takes what orjson's caller may have written in other zones.
        moment: datetime = _times().validate_python(orjson.loads(record.document)[field], strict=False)
        return moment.astimezone(UTC)
    except (ValidationError, ValueError, LookupError, TypeError, OverflowError):
        raise Rejected(Reason.INVALID_VALUE, f"the record shows no {field}", field=field) from None


@cache
def _times() -> "TypeAdapter[AwareDatetime]":
    return TypeAdapter(AwareDatetime)
