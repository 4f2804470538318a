"""The list of erased users: read by each worker, renewed, in force while BigQuery is away."""

import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from shopstream.pipeline.arrival import Delivery, Line
from shopstream.pipeline.tombstones import REFRESH, Admit, Tombstones, nobody
from shopstream.schemas import Reason, SettingsError, Unavailable
from shopstream.schemas.erasure import tombstone

KEY = "a key of at least sixteen"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def key() -> str:
    return KEY


class Source:
    """What the warehouse says, or that it says nothing."""

    def __init__(self, *users: str) -> None:
        self.users, self.reads, self.is_down = set(users), 0, False

    def __call__(self) -> frozenset[str]:
        self.reads += 1
        if self.is_down:
            raise Unavailable("down")
        return frozenset(tombstone(user, KEY) for user in self.users)


def line(user: str | None) -> Line:
    fields = {
        "event_id": "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
        "event_type": "search",
        "schema_version": 1,
        "occurred_at": "2026-11-19T12:00:00Z",
        "source": "s",
        "query_id": "q",
        "query": "their words",
        "user_id": user,
        "writer_id": "w",
        "sequence": 7,
    }
    return Line(json.dumps(fields, separators=(",", ":")).encode(), 0, Delivery("m", {"a": "b"}, NOW))


def one_user() -> frozenset[str]:
    return frozenset({tombstone("gone", KEY)})


def test_an_erased_users_event_is_refused_and_only_its_number_is_kept() -> None:
    admit = Admit(Tombstones(Source("gone"), key))
    outcome = admit([line("gone"), line("here"), line(None)], NOW)
    assert [received.event.user_id for received in outcome.done] == ["here", None]
    (failure,) = outcome.failed
    assert failure.reason is Reason.ERASED_USER
    assert (failure.payload, failure.payload_bytes, failure.user_id, failure.attributes) == ("", 0, None, None)
    assert (failure.writer_id, failure.sequence, failure.message_id) == ("w", 7, "m")
    assert b"their words" not in failure.model_dump_json().encode()


def test_a_failed_event_can_lose_what_it_said() -> None:
    (failure,) = Admit(Tombstones(nobody, key))([Line(b'{"user_id":"gone"}', 0, Delivery("m", {}, NOW))], NOW).failed
    assert failure.user_id == "gone"
    kept = failure.without_payload()
    assert (kept.reason, kept.payload, kept.user_id, kept.event_id) == (Reason.ERASED_USER, "", None, failure.event_id)


def test_the_list_is_read_once_a_minute() -> None:
    source = Source()
    tombstones = Tombstones(source, key)
    for seconds in range(0, 60, 5):
        tombstones.refresh(NOW + timedelta(seconds=seconds))
    assert source.reads == 1
    source.users.add("gone")
    assert not tombstones.holds("gone")
    tombstones.refresh(NOW + REFRESH)
    assert tombstones.holds("gone")


def test_a_list_once_read_is_in_force_while_the_warehouse_is_away() -> None:
    source = Source("gone")
    tombstones = Tombstones(source, key)
    tombstones.refresh(NOW)
    source.is_down = True
    tombstones.refresh(NOW + REFRESH)
    assert tombstones.holds("gone")


def test_without_the_key_an_erasure_cannot_be_kept_so_the_job_stops() -> None:
    with pytest.raises(SettingsError, match="PRIVACY_KEY is not set, but users were erased"):
        Tombstones(Source("gone"), None).refresh(NOW)
    Tombstones(nobody, None).refresh(NOW)


def test_a_worker_gets_the_way_to_the_list_and_not_the_list() -> None:
    tombstones = Tombstones(one_user, key)
    tombstones.refresh(NOW)
    assert tombstones.holds("gone")
    copy = pickle.loads(pickle.dumps(tombstones))  # noqa: S301 - our own bytes
    assert copy.is_empty
    copy.refresh(NOW)
    assert copy.holds("gone")


def test_a_hash_is_nothing_without_the_key() -> None:
    assert tombstone("u", KEY) != tombstone("u", KEY + "!")
    assert tombstone("u", KEY) != tombstone("v", KEY)
    assert "u" not in tombstone("user-42", KEY)
