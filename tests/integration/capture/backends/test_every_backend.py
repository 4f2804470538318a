"""What capture asks of a backend, asked of every one: over the wire, with the real client."""

import sys
import time
from collections import Counter
from typing import Any

import pytest

from shopstream.capture.backends import SWITCHES, Backend, Batch
from shopstream.schemas import SettingsError, Unavailable

from .far_ends import HTTP_ANSWERS, PATIENCE_SECONDS, FarEnd

ON_A_WIRE = ("refused", "hangs", "killed", "answer lost")
FAULTS: dict[str, tuple[str, ...]] = {
    "pubsub": (*ON_A_WIRE, "503", "429", "missing"),
    "storage": (*ON_A_WIRE, *HTTP_ANSWERS, "missing"),
    "bigquery": (*ON_A_WIRE, *HTTP_ANSWERS, "missing"),
    "redis": (*ON_A_WIRE, "loading", "out of memory", "read-only", "wrong type", "unauthorized", "denied"),
    "file": ("missing", "full"),
}
UNSEEN_BY_DOCTOR = {"answer lost", "out of memory", "full", "503", "429"}
"""What comes and goes, or begins only with a certain size, need not show when nothing is written."""

every_backend = pytest.mark.parametrize("far_end", SWITCHES, indirect=True)
every_fault = pytest.mark.parametrize(
    ("far_end", "fault"), [(name, fault) for name, faults in FAULTS.items() for fault in faults], indirect=["far_end"]
)


def seen(far_end: FarEnd, batch: Batch) -> list[Any]:
    return [far_end.seen(record) for record in batch]


def in_any_order(values: list[Any]) -> list[str]:
    return sorted(map(repr, values))


def ours(far_end: FarEnd, batch: Batch) -> list[Any]:
    """What can be read of the batch, in order; other tests may use the same tables."""
    wanted = {far_end.event_id(value) for value in seen(far_end, batch)}
    return [value for value in far_end.read() if far_end.event_id(value) in wanted]


def send_until_taken(backend: Backend, batch: Batch) -> None:
    """As the forwarder does, but at once."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return backend.send(batch)
        except Unavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@every_backend
def test_what_was_sent_can_be_read_back_byte_for_byte(far_end: FarEnd, events: Any) -> None:
    batch = events.mixed()
    backend = far_end.backend()
    backend.check()
    backend.send(batch)
    assert in_any_order(ours(far_end, batch)) == in_any_order(seen(far_end, batch))
    backend.close()


@every_backend
def test_what_is_not_ascii_arrives_as_it_is(far_end: FarEnd, events: Any) -> None:
    batch = tuple(events.searches(2, query="Grüße 🍷 \u2028 \\n \x00 日本 \u202eabc"))
    backend = far_end.backend()
    backend.send(batch)
    assert in_any_order(ours(far_end, batch)) == in_any_order(seen(far_end, batch))


@every_backend
def test_the_largest_event_is_taken(far_end: FarEnd, events: Any) -> None:
    far_end.environment |= {name: "20" for name in far_end.environment if name.endswith("_TIMEOUT_SECONDS")}
    batch = (*events.searches(1), events.largest(), *events.searches(1))
    assert len(batch[1].document) > 1_030_000
    backend = far_end.backend()
    backend.send(batch)
    assert in_any_order(ours(far_end, batch)) == in_any_order(seen(far_end, batch))


@every_backend
def test_sending_twice_is_harmless(far_end: FarEnd, events: Any) -> None:
    batch = events.mixed()
    backend = far_end.backend()
    backend.send(batch)
    backend.send(batch)
    again = far_end.backend()  # As another process does after a crash.
    again.send(batch)
    times = Counter(in_any_order(ours(far_end, batch)))
    assert set(times) == set(in_any_order(seen(far_end, batch)))
    assert max(times.values()) <= (3 if far_end.sends_again_add else 1)


@pytest.mark.parametrize("far_end", [name for name in SWITCHES if name != "bigquery"], indirect=True)
def test_events_of_a_type_keep_their_order(far_end: FarEnd, events: Any) -> None:
    """Rows of a table have no order."""
    batches = [tuple(events.searches(700)), tuple(events.searches(700))]
    backend = far_end.backend()
    for batch in batches:
        backend.send(batch)
    for batch in batches:  # Objects of a bucket have no order between them, lines of one have.
        assert ours(far_end, batch) == seen(far_end, batch)


@every_fault
def test_a_fault_is_unavailable_in_time_and_when_it_ends_everything_arrives(
    far_end: FarEnd, fault: str, events: Any
) -> None:
    before, during = tuple(events.searches(20)), events.mixed()
    backend = far_end.backend()
    if fault not in {"refused", "hangs"}:  # These meet a client that has no connection yet.
        send_until_taken(backend, before)
    far_end.begin(fault)
    started = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        backend.send(during)
    assert time.monotonic() - started < far_end.patience_seconds
    assert "red wine" not in str(raised.value)
    assert "secret" not in str(raised.value)
    if fault not in UNSEEN_BY_DOCTOR:
        with pytest.raises(Unavailable):
            backend.check()
    far_end.end(fault)
    send_until_taken(backend, during)
    send_until_taken(backend, before)
    times = Counter(in_any_order(ours(far_end, before + during)))
    assert set(times) == set(in_any_order(seen(far_end, before + during)))
    backend.check()
    backend.close()


@every_backend
def test_what_a_backend_says_tells_where_and_what_to_do(far_end: FarEnd, events: Any) -> None:
    backend = far_end.backend()
    backend.send(events.mixed())
    far_end.begin("missing" if far_end.name != "redis" else "wrong type")
    with pytest.raises(Unavailable, match=r"topic|tables apply|create it|CAPTURE_[A-Z_]+"):
        backend.check()


@pytest.mark.parametrize(
    ("far_end", "client", "module"),
    [
        ("pubsub", "google.pubsub_v1", "pubsub"),
        ("storage", "google.cloud.storage", "storage"),
        ("bigquery", "google.cloud.bigquery", "bigquery"),
        ("redis", "redis", "redis_stream"),
    ],
    indirect=["far_end"],
)
def test_a_backend_whose_client_is_not_installed_says_what_to_install(
    far_end: FarEnd, client: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, client, None)
    monkeypatch.delitem(sys.modules, f"shopstream.capture.backends.{module}")
    name = far_end.name
    with pytest.raises(SettingsError, match=rf"CAPTURE_{name.upper()}_ENABLED.*pip install 'shopstream\[{name}\]'"):
        far_end.switched_on()
