"""The body of an ElevenLabs post-call webhook becomes a voice event, once its signature has been checked.

    fields = voice_event(body, request.headers["elevenlabs-signature"], secret, now=utc_now())
    capture.track(fields)

Of the body only what the contract knows is taken: what was said and when, how long it took, who called where the
caller named a user_id at the start. Phone numbers, analysis, summaries and costs stay out. Source of the format:
https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks and the types of ElevenLabs' own client.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID, uuid5

import orjson
from pydantic import TypeAdapter, ValidationError

from shopstream.schemas import Reason, Rejected, read_event, write_fields
from shopstream.schemas.identifiers import Opaque
from shopstream.schemas.scrub import scrub

__all__ = ["Forged", "check_signature", "voice_event"]

PROVIDER = "elevenlabs"
TOLERANCE = timedelta(minutes=30)
"""A signature is taken for so long after it was made, as ElevenLabs' own client does."""
AHEAD_ACCEPTED = timedelta(minutes=5)
"""Their clock may be so far before ours."""
MOST_TURNS = 1000
LONGEST_TEXT = 10_000
MOST_QUERY_IDS = 100
"""The contract's limits; what is beyond them is cut off, for the rest of a long conversation is worth keeping."""

_LONGEST_HEADER = 4096
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_LAST_SECOND = 253_402_300_799
"""Of the year 9999; Python counts no further."""
_CLIENT_DATA = "conversation_initiation_client_data"
_OPAQUE: TypeAdapter[str] = TypeAdapter(Opaque)
_NAMESPACE = UUID("6f1d6a0e-5d0b-4f0c-9a54-3a1f6a3a7f5e")
"""Of the event_ids made here; another value would make every repeated delivery a second event."""


class Forged(Exception):
    """The webhook was not signed with our secret, or not recently: whatever it says must not be believed.

    Raised before the body is looked at; the text holds nothing of it.
    """


def voice_event(body: bytes, signature: str, secret: str, now: datetime) -> dict[str, object]:
    """The fields of the voice event in a webhook's body, for `Capture.track`.

    The event_id follows from the conversation and its start, so that a repeated delivery is the same event. query_ids
    are those the conversation was started with (the dynamic variable `query_id`) and those its tools answered with (a
    `query_id` at the top of a tool's JSON result, as a search service gives it), in order.

    Args:
        body: The request's body, byte for byte as it came.
        signature: The request's `ElevenLabs-Signature` header; empty where it has none.
        secret: The webhook's signing secret.
        now: The current time.

    Raises:
        Forged: The signature is missing, malformed, not made with the secret, or not of this half hour.
        Rejected: The signature is right but the body is no finished conversation; names the field. With the reason
            `unknown_event_type` it is a webhook of another kind, such as post_call_audio: answer it with 200 all
            the same, for ElevenLabs switches off a webhook that keeps failing.
    """
    check_signature(body, signature, secret, now)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected(Reason.MALFORMED_JSON, "the body is not JSON") from None
    fields = _fields_of(_mapping(document, "the body"))
    # What the contract says of the fields decides, also in what was not thought of here.
    read_event(write_fields({"source": PROVIDER, **fields}), now, unknown_fields="forbid")
    return fields


def check_signature(body: bytes, signature: str, secret: str, now: datetime) -> None:
    """See that the header `t=<unix seconds>,v0=<hex HMAC-SHA256 of "t.body">` belongs to the body and is recent.

    While a secret is replaced there may be several v0; one that fits is enough.

    Raises:
        Forged: It does not, or is not.
        ValueError: The secret is empty, so that everybody could sign with it.
    """
    if not secret:
        raise ValueError("the signing secret is empty; set CAPTURE_ELEVENLABS_SECRET")
    timestamps, signatures = _parts(signature)
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not signatures:
        raise Forged("the ElevenLabs-Signature header is missing or not of the form t=…,v0=…")
    expected = hmac.digest(secret.encode(), timestamps[0].encode() + b"." + body, "sha256").hex().encode()
    # Every one is compared, in constant time: how long it takes tells nothing about the secret.
    matches = [hmac.compare_digest(given.encode(errors="replace"), expected) for given in signatures]
    if not any(matches):
        raise Forged("the ElevenLabs-Signature header does not belong to the body and the secret")
    age = timedelta(seconds=now.timestamp() - int(timestamps[0]))
    if not -AHEAD_ACCEPTED <= age <= TOLERANCE:
        raise Forged("the signature is not recent; where this happens to real webhooks, check the clock")


def _parts(signature: str) -> tuple[list[str], list[str]]:
    """The timestamps and the v0 signatures of the header; versions to come are passed over."""
    if len(signature) > _LONGEST_HEADER:
        return [], []
    pairs = [part.strip().partition("=") for part in signature.split(",")]
    return ([value for name, _, value in pairs if name == "t"], [value for name, _, value in pairs if name == "v0"])


def _fields_of(document: Mapping[str, object]) -> dict[str, object]:
    if document.get("type") != "post_call_transcription":
        raise Rejected(Reason.UNKNOWN_EVENT_TYPE, "type is not post_call_transcription", field="type")
    data = _mapping(document.get("data"), "data")
    metadata = _mapping(data.get("metadata"), "data.metadata")
    client_data = _mapping(data.get(_CLIENT_DATA) or {}, f"data.{_CLIENT_DATA}")
    conversation_id = data.get("conversation_id")
    started = _seconds(metadata.get("start_time_unix_secs"), "data.metadata.start_time_unix_secs")
    turns = _turns(data.get("transcript"))
    fields: dict[str, object] = {
        "event_id": str(uuid5(_NAMESPACE, f"{started:.3f} {conversation_id}")),
        "event_type": "voice",
        "occurred_at": datetime.fromtimestamp(started, UTC),
        "provider": PROVIDER,
        "conversation_id": conversation_id,
        "duration_ms": _seconds(metadata.get("call_duration_secs"), "data.metadata.call_duration_secs") * 1000,
        "turns": list(islice(_said(turns), MOST_TURNS)),
        "query_ids": _query_ids(client_data, turns),
    }
    user_id = client_data.get("user_id") or data.get("user_id")
    if user_id is not None:
        fields["user_id"] = user_id
    return fields


def _turns(transcript: object) -> list[Mapping[str, object]]:
    """Every turn, also those of tools; a transcript that was deleted is null."""
    if transcript is None:
        return []
    if not isinstance(transcript, list):
        raise _wrong("data.transcript", "a list")
    return [_mapping(turn, f"data.transcript.{number}") for number, turn in enumerate(transcript)]


def _said(turns: list[Mapping[str, object]]) -> Iterator[dict[str, object]]:
    """The turns in which the user or the agent said something, as the contract has them."""
    for number, turn in enumerate(turns):
        role, message = turn.get("role"), turn.get("message")
        if role not in ("user", "agent") or message is None:
            continue
        if not isinstance(message, str):
            raise _wrong(f"data.transcript.{number}.message", "a text")
        offset = _seconds(turn.get("time_in_call_secs"), f"data.transcript.{number}.time_in_call_secs")
        yield {"role": role, "text": _cut(message), "offset_ms": offset * 1000}


def _cut(text: str) -> str:
    """The text as long as the contract takes it; scrubbed first, for half a phone number is not found any more."""
    return text if len(text) <= LONGEST_TEXT else scrub(text[: 2 * LONGEST_TEXT])[:LONGEST_TEXT]


def _query_ids(client_data: Mapping[str, object], turns: list[Mapping[str, object]]) -> list[str]:
    """Those that can be identifiers, each once; what else tools answered is theirs to know."""
    found = dict.fromkeys(filter(_is_identifier, _named_query_ids(client_data, turns)))
    return [str(query_id) for query_id in islice(found, MOST_QUERY_IDS)]


def _named_query_ids(client_data: Mapping[str, object], turns: list[Mapping[str, object]]) -> Iterator[object]:
    variables = client_data.get("dynamic_variables")
    if isinstance(variables, Mapping):
        yield variables.get("query_id")
    for turn in turns:
        results = turn.get("tool_results")
        for result in results if isinstance(results, list) else ():
            value = result.get("result_value") if isinstance(result, Mapping) else None
            with suppress(orjson.JSONDecodeError):
                answer = orjson.loads(value) if isinstance(value, str) else value
                if isinstance(answer, Mapping):
                    yield answer.get("query_id")


def _is_identifier(value: object) -> bool:
    try:
        _OPAQUE.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _mapping(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _wrong(field, "an object")
    return value


def _seconds(value: object, field: str) -> float:
    if value is None:
        raise Rejected(Reason.MISSING_FIELD, f"{field} is missing", field=field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(field, "a number of seconds")
    if not 0 <= value <= _LAST_SECOND:
        raise Rejected(Reason.INVALID_VALUE, f"{field} is no number of seconds from 0 to the year 9999", field=field)
    return value


def _wrong(field: str, wanted: str) -> Rejected:
    return Rejected(Reason.WRONG_TYPE, f"{field} is not {wanted}", field=field)
