"""An old event always reads: by one small step a version, to what today's model would have been given."""

from typing import Annotated, Any, Literal, cast

import orjson
import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from shopstream.schemas import EVENT_TYPES, Event, Reason, Rejected
from shopstream.schemas.upcast import STEPS, Fields, Step, Steps, current_version, upcast
from shopstream.schemas.validation import EventReader

OLD: dict[str, Any] = {
    "event_id": "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
    "event_type": "tea",
    "occurred_at": "2026-11-20T12:00:00Z",
    "source": "test",
}


class Tea(Event):
    """At its third version; the first had `minutes`, the second `seconds`, this one has a list of steepings."""

    event_type: Literal["tea"] = "tea"
    schema_version: int = Field(3, ge=3, le=3)
    steepings: tuple[int, ...]


class Coffee(Event):
    """Never changed."""

    event_type: Literal["coffee"] = "coffee"


def to_seconds(fields: Fields) -> Fields:
    minutes: Any = fields["minutes"]
    return {name: value for name, value in fields.items() if name != "minutes"} | {"seconds": 60 * minutes}


def to_steepings(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name != "seconds"} | {"steepings": [fields["seconds"]]}


TEA_STEPS: Steps = {"tea": (to_seconds, to_steepings)}
ANYTHING = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
READER = EventReader(Annotated[Tea | Coffee, Field(discriminator="event_type")], TEA_STEPS)


@pytest.mark.parametrize(("version", "own"), [(1, {"minutes": 3}), (2, {"seconds": 180}), (3, {"steepings": [180]})])
def test_every_version_there_ever_was_reads_as_todays(version: int, own: dict[str, Any]) -> None:
    tea = READER.read(orjson.dumps(OLD | {"schema_version": version} | own), "forbid")
    assert (tea.schema_version, tea.steepings) == (3, (180,))


@pytest.mark.parametrize("version", [4, 2**40, 0, -1])
def test_a_version_nobody_knows_is_a_failed_event(version: int) -> None:
    with pytest.raises(Rejected) as raised:
        READER.read(orjson.dumps(OLD | {"schema_version": version, "minutes": 3}), "forbid")
    assert (raised.value.reason, raised.value.field) == (Reason.UNKNOWN_SCHEMA_VERSION, "schema_version")


def test_an_old_event_that_was_wrong_is_wrong_in_todays_words() -> None:
    with pytest.raises(Rejected) as raised:
        READER.read(orjson.dumps(OLD | {"schema_version": 2, "seconds": "long"}), "forbid")
    assert (raised.value.reason, raised.value.field) == (Reason.WRONG_TYPE, "steepings.0")


def test_an_event_type_without_steps_stays_as_it_is() -> None:
    coffee = READER.read(orjson.dumps(OLD | {"event_type": "coffee", "schema_version": 1}), "forbid")
    assert isinstance(coffee, Coffee)


@given(st.dictionaries(st.sampled_from(["event_type", "schema_version"]), ANYTHING))
def test_fields_of_any_kind_are_no_older_version_but_never_an_error(fields: dict[str, object]) -> None:
    assert upcast(fields, {"coffee": (to_seconds,)}) is None


@given(st.integers(1, 3), st.integers(0, 3))
def test_steps_add_up(first: int, count: int) -> None:
    def passing(number: int) -> Step:
        return lambda fields: {**fields, "passed": [*cast(list[int], fields["passed"]), number]}

    steps = {"tea": tuple(map(passing, range(1, count + 1)))}
    today = upcast({"event_type": "tea", "schema_version": first, "passed": []}, steps)
    if first > count:
        assert today is None
    else:
        assert today == {
            "event_type": "tea",
            "schema_version": current_version("tea", steps),
            "passed": list(range(first, count + 1)),
        }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_model_knows_the_version_that_its_steps_lead_to(event_type: str) -> None:
    field = EVENT_TYPES[event_type].model_fields["schema_version"]
    version = current_version(event_type)
    assert field.default == version
    assert {Ge(version), Le(version)} == set(field.metadata)


def test_steps_are_for_event_types_there_are() -> None:
    assert set(STEPS) <= set(EVENT_TYPES)
