"""The event types as msgspec structs, derived from the models: the quick way through the same contract.

A struct takes nothing that its model would refuse, but for three things: control characters, which show in the JSON
(`may_hold_control_characters`), times, which have to be compared with the clock, and the form of an event_id, which
is known of one that was just made (`is_event_id`). And where a float is meant, a Decimal is one. It may refuse what
its model takes, an amount as a Decimal say; then the model has the word.
"""

from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin

import annotated_types
import msgspec
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .events import EVENT_TYPES
from .identifiers import NO_CONTROL_CHARACTERS

_MOST = 2**63 - 1
_BACKSLASH, _DELETE = ord("\\"), 0x7F
_Kind = Any
"""What typing and msgspec take for a type: a class, or one of their many forms, which have no type in common."""


class EventStruct(msgspec.Struct, kw_only=True):
    """What every event's struct has, and a reader of one needs; the rest is as in the model."""

    event_type: ClassVar[str]
    event_id: str
    occurred_at: datetime
    user_id: str | None = None
    session_id: str | None = None
    source: str
    writer_id: str | None = None
    sequence: int | None = None
    traffic: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its fields: Beam may pickle what stands between two steps, and the class has no name to import."""
        return _of_fields, (self.__struct_config__.omit_defaults, self.event_type, msgspec.msgpack.encode(self))


def _of_fields(omit_defaults: bool, event_type: str, fields: bytes) -> EventStruct:
    structs = STRUCTS if omit_defaults else WHOLE_STRUCTS
    return msgspec.msgpack.decode(fields, type=structs[event_type])


def may_hold_control_characters(document: bytes) -> bool:
    """True where a text in the JSON might hold a control character: JSON escapes all of them but DEL."""
    # Twice as quick as `in`, and every event goes through it.
    return document.find(_BACKSLASH) >= 0 or document.find(_DELETE) >= 0


def _struct(model: type[BaseModel], *, whole: bool, event_type: str | None = None) -> type[msgspec.Struct]:
    """The struct of a part of an event, or, with its event_type, of an event; a whole one writes defaults too."""
    return msgspec.defstruct(
        model.__name__,
        [
            _field(name, field, whole=whole)
            for name, field in model.model_fields.items()
            if event_type is None or name != "event_type"
        ],
        bases=None if event_type is None else (EventStruct,),
        namespace={"__doc__": model.__doc__} | ({} if event_type is None else {"event_type": event_type}),
        tag=event_type,
        tag_field=None if event_type is None else "event_type",
        kw_only=True,
        omit_defaults=not whole,
        forbid_unknown_fields=True,
        gc=False,  # An event holds no reference to itself, and the collector need not look at ten results each.
    )


def _field(name: str, field: FieldInfo, *, whole: bool) -> tuple[str, _Kind] | tuple[str, _Kind, Any]:
    kind = str if name == "event_id" else _kind(field.annotation, field.metadata, whole=whole)
    # Defaults are not written, but a version that a later reader had to guess would be none.
    if field.default is PydanticUndefined or name == "schema_version":
        return name, kind
    return name, kind, field.default


def _kind(annotation: _Kind, metadata: list[Any], *, whole: bool) -> _Kind:
    """The msgspec type of what pydantic describes by this annotation and its constraints."""
    origin: _Kind = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        inner = [each for note in arguments[1:] for each in (note.metadata if isinstance(note, FieldInfo) else [note])]
        return _kind(arguments[0], inner, whole=whole)
    if origin in (Union, UnionType):
        return Union[tuple(_kind(each, [], whole=whole) for each in arguments)]  # noqa: UP007 - a union of a list
    bounds = _bounds(metadata)
    if origin is tuple:
        return _bound(tuple[_kind(arguments[0], [], whole=whole), ...], bounds)  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation, whole=whole)
    return annotation if origin is Literal else _plain(annotation, bounds)


def _plain(annotation: _Kind, bounds: dict[str, Any]) -> _Kind:
    """The same for what has no parts."""
    if annotation in (type(None), bool):
        return annotation
    if annotation in (str, int):
        return _bound(annotation, bounds)
    if annotation is float:
        # JSON has no infinity, and orjson no whole number beyond 64 bits.
        return _bound(float, {"ge": -float(_MOST), "le": float(_MOST)} | bounds)
    if annotation is Decimal:
        return _amount(bounds)
    if annotation is AwareDatetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    raise TypeError(f"{annotation} has no struct form yet; say here what it is")


def _bounds(metadata: list[Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for note in metadata:
        if isinstance(note, annotated_types.MinLen):
            bounds["min_length"] = note.min_length
        elif isinstance(note, annotated_types.MaxLen):
            bounds["max_length"] = note.max_length
        elif isinstance(note, annotated_types.Ge):
            bounds["ge"] = note.ge
        elif isinstance(note, annotated_types.Gt):
            bounds["gt"] = note.gt
        elif isinstance(note, annotated_types.Le):
            bounds["le"] = note.le
        elif general := vars(note):
            bounds |= general  # pydantic's own: pattern, max_digits, decimal_places
        else:
            raise TypeError(f"{note!r} has no struct form yet; say here what it is")
    if bounds.get("pattern") == NO_CONTROL_CHARACTERS:
        del bounds["pattern"]  # Looked for once in the whole JSON; a pattern a text would cost more than all else.
    return bounds


def _bound(kind: _Kind, bounds: dict[str, Any]) -> _Kind:
    if "pattern" in bounds:
        # Python's $ also matches before a last newline.
        bounds = bounds | {"pattern": bounds["pattern"].removesuffix("$") + r"\Z"}
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind


def _amount(bounds: dict[str, Any]) -> _Kind:
    """An exact amount as text or a whole number."""
    places = bounds["decimal_places"]
    whole = bounds["max_digits"] - places
    some = "(?=.*[1-9])" if "gt" in bounds else ""
    text = Annotated[str, msgspec.Meta(pattern=rf"^{some}[0-9]{{1,{whole}}}(\.[0-9]{{1,{places}}})?\Z")]
    least = {name: limit for name, limit in bounds.items() if name in ("ge", "gt")}
    return text | Annotated[int, msgspec.Meta(**least, le=_MOST)]


def _structs(*, whole: bool) -> dict[str, type[EventStruct]]:
    return {
        name: cast(type[EventStruct], _struct(model, whole=whole, event_type=name))
        for name, model in EVENT_TYPES.items()
    }


STRUCTS = _structs(whole=False)
"""The struct of every event type by its name; it writes no default, for what is captured is stored and sent."""
WHOLE_STRUCTS = _structs(whole=True)
"""The same, but every field is written: a table has no defaults."""
