"""Wrong events of every kind, sent on purpose: what becomes of them is part of what is shown."""

import json
from collections.abc import Mapping
from typing import Any

from shopstream.schemas import Reason

_NOT_JSON_OR_NOT_TEXT: tuple[tuple[Reason, bytes], ...] = (
    (Reason.MALFORMED_JSON, b'{"event_type": "interaction", "product_id'),
    (Reason.NOT_UTF8, b'{"event_type": "search", "query": "\xff\xfe"}'),
)
_CHANGES: tuple[tuple[Reason, Mapping[str, Any]], ...] = (
    (Reason.UNKNOWN_EVENT_TYPE, {"event_type": "serach"}),
    (Reason.MISSING_FIELD, {"product_id": None}),
    (Reason.WRONG_TYPE, {"position": "third"}),
    (Reason.INVALID_VALUE, {"position": 0}),
    (Reason.UNKNOWN_FIELD, {"colour": "red"}),
    (Reason.TIME_OUT_OF_RANGE, {"occurred_at": "1970-01-01T00:00:00Z"}),
    (Reason.TIME_OUT_OF_RANGE, {"occurred_at": "2100-01-01T00:00:00Z"}),
)
KINDS = len(_NOT_JSON_OR_NOT_TEXT) + len(_CHANGES)


def wrong_event(kind: int, interaction: Mapping[str, Any]) -> tuple[Reason, bytes]:
    """A line that must fail, and the reason it must fail with: the interaction, spoilt in the kind-th way."""
    if kind < len(_NOT_JSON_OR_NOT_TEXT):
        return _NOT_JSON_OR_NOT_TEXT[kind]
    reason, change = _CHANGES[kind - len(_NOT_JSON_OR_NOT_TEXT)]
    spoilt = {name: value for name, value in {**interaction, **change}.items() if value is not None}
    return reason, json.dumps(spoilt).encode()
