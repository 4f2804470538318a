"""What events take from around them."""

import asyncio
import contextvars
import threading
from collections.abc import Generator
from typing import Any

import pytest

from shopstream.capture import Context, context, interaction, search
from shopstream.capture.context import CURRENT


def current() -> tuple[str | None, str | None, str | None]:
    now = CURRENT.get() or Context()
    return now.user_id, now.session_id, now.channel


def test_an_inner_context_says_what_changes_and_the_rest_stays() -> None:
    assert CURRENT.get() is None
    with context(user_id="u", session_id="s"):
        with context(channel="app", user_id=None) as inner:
            assert current() == (None, "s", "app")
            assert CURRENT.get() is inner
        assert current() == ("u", "s", None)
    assert CURRENT.get() is None


def test_a_context_ends_with_an_exception_too() -> None:
    with pytest.raises(KeyError), context(user_id="u"):
        raise KeyError
    assert CURRENT.get() is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "x" * 257),
        ("user_id", 7),
        ("session_id", "a\nb"),
        ("session_id", "\ud800"),
        ("channel", "fax"),
        ("channel", ["web"]),
        ("traffic", "shopper"),
        ("analytics_consent", "yes"),
        ("analytics_consent", 1),
    ],
)
def test_a_wrong_value_is_named_by_its_field_and_not_shown(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} of the context must be") as caught, context(**{field: value}):
        pass
    assert repr(value) not in str(caught.value)
    assert CURRENT.get() is None


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="sesion_id"), context(sesion_id="s"):  # type: ignore[call-arg]
        pass


def test_tasks_and_threads_inherit_and_do_not_disturb_each_other() -> None:
    async def request(name: str, meet: asyncio.Barrier) -> tuple[str | None, ...]:
        with context(user_id=name, session_id=f"s-{name}"):
            await meet.wait()
            child = asyncio.create_task(asyncio.to_thread(current))
            return (*current(), *(await child))

    async def main() -> list[tuple[str | None, ...]]:
        meet = asyncio.Barrier(50)
        return await asyncio.gather(*(request(f"u-{number}", meet) for number in range(50)))

    assert asyncio.run(main()) == [(f"u-{n}", f"s-u-{n}", None) * 2 for n in range(50)]


def test_a_thread_of_ones_own_is_handed_the_context() -> None:
    seen = []
    with context(user_id="u"):
        for run in (contextvars.copy_context().run, lambda function: function()):
            thread = threading.Thread(target=run, args=(lambda: seen.append(current()[0]),))
            thread.start()
            thread.join()
    assert seen == ["u", None]


def test_a_generator_closed_from_another_context_raises_nothing() -> None:
    def steps() -> Generator[int, None, None]:
        with context(user_id="u"):
            yield 1

    generator = steps()
    contextvars.copy_context().run(next, generator)
    generator.close()
    assert CURRENT.get() is None


def test_an_event_takes_what_it_does_not_say_itself(rig: Any) -> None:
    with context(user_id="u", session_id="s", channel="web"):
        rig.track(1)
        rig.track(2, user_id="other", channel="app")
        rig.capture.track(interaction(action="click", product_id="p"))
    rig.track(3)
    rig.ship()
    told = [(event.get("user_id"), event.get("session_id"), event.get("channel")) for event in rig.backend.events()]
    assert told == [("u", "s", "web"), ("other", "s", "app"), ("u", "s", None), (None, None, None)]
    assert rig.backend.failed() == []


def test_a_line_of_json_takes_them_too(rig: Any) -> None:
    with context(session_id="s", traffic="bot"):
        rig.capture.track_line(b'{"event_type": "search", "query_id": "q", "query": "milk"}')
    rig.ship()
    assert [(event["session_id"], event["traffic"]) for event in rig.backend.events()] == [("s", "bot")]


def test_the_callers_own_fields_stay_as_they_were(rig: Any) -> None:
    fields = search(query_id="q", query="milk")
    before = dict(fields)
    with context(user_id="u"):
        rig.capture.track(fields)
    assert fields == before
