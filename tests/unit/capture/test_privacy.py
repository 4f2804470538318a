"""What `track` keeps of a person: consent, opaque ids, scrubbed text; and what it adds: context, intent."""

import base64
from datetime import timedelta
from typing import Any

import orjson
import pytest

from shopstream.capture import Context, context, interaction, search
from shopstream.capture.consent import WithoutConsent
from shopstream.capture.counters import Counter
from shopstream.schemas import Reason, Rejected
from tests.unit.capture.conftest import NOW

MAIL = "anna@example.com"
KEY = b"0123456789abcdef"
PRODUCT = {"event_type": "product", "product_id": "p-1", "name": "Oat milk", "availability": "in_stock"}


def consent(user_id: str, *, granted: bool, minutes: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "event_type": "consent",
        "user_id": user_id,
        "purpose": "analytics",
        "granted": granted,
        "policy_version": "2026-01",
        "occurred_at": NOW + timedelta(minutes=minutes),
        **more,
    }


def whose(rig: Any) -> list[tuple[str | None, str | None]]:
    rig.ship()
    return [(event.get("user_id"), event.get("session_id")) for event in rig.backend.events()]


def kept_bytes(rig: Any) -> bytes:
    rig.ship()
    (failed,) = rig.backend.failed()
    return base64.b64decode(failed["payload"])


def test_without_consent_an_event_is_kept_without_its_ids(new_rig: Any) -> None:
    rig = new_rig(consent={"yes": True, "no": False}.get)
    for user_id in ("yes", "no", "unknown"):
        assert rig.track(user_id=user_id, session_id="s") is not None
    assert whose(rig) == [("yes", "s"), (None, None), ("unknown", "s")]
    assert rig.count(Counter.ANONYMISED) == 1


def test_without_consent_a_wrong_event_is_kept_without_its_ids_too(new_rig: Any) -> None:
    rig = new_rig(otherwise=False)
    rig.capture.track({"event_type": "search", "user_id": "u-1", "session_id": "s-1"})
    rig.capture.track_line(b'{"event_type":"search","user_id":"u-1","session_id":"s-1"}')
    rig.ship()
    for failed in rig.backend.failed():
        assert failed.get("user_id") is None
        kept = orjson.loads(base64.b64decode(failed["payload"]))
        assert (kept["user_id"], kept["session_id"]) == (None, None)
    assert rig.count(Counter.FAILED) == 2


def test_where_the_setting_says_drop_nothing_of_it_is_kept(new_rig: Any) -> None:
    rig = new_rig(otherwise=False, without_consent=WithoutConsent.DROP)
    assert rig.track(user_id="u-1") is None
    assert rig.track(session_id="s-1") is None
    assert rig.track() is not None
    assert rig.capture.track(PRODUCT | {"user_id": "editor-1"}) is not None
    assert rig.capture.track_or_reject(search(query_id="q", query="x", user_id="u-1")) is None
    assert rig.capture.track_many([search(query_id="q", query="x", user_id="u-1"), PRODUCT]).count(None) == 1
    assert whose(rig) == [(None, None)] * 3
    assert rig.count(Counter.DROPPED_CONSENT) == 4


def test_a_decision_counts_for_what_is_tracked_after_it(new_rig: Any) -> None:
    rig = new_rig()
    rig.track(1, user_id="u-1")
    rig.capture.track(consent("u-1", granted=False))
    rig.track(2, user_id="u-1")
    rig.capture.track_line(orjson.dumps(consent("u-1", granted=True, minutes=1)))
    rig.track(3, user_id="u-1")
    assert [user_id for user_id, _ in whose(rig)] == ["u-1", "u-1", None, "u-1", "u-1"]


def test_a_wrong_decision_decides_nothing(new_rig: Any) -> None:
    rig = new_rig()
    rig.capture.track(consent("u-1", granted=False, policy_version=""))
    rig.capture.track(consent("u-1", granted=False, purpose="personalization"))
    rig.track(user_id="u-1")
    assert whose(rig)[-1] == ("u-1", None)


def test_a_decision_is_kept_whole_whatever_was_decided_before(new_rig: Any) -> None:
    rig = new_rig(otherwise=False, without_consent=WithoutConsent.DROP)
    with context(analytics_consent=False, session_id="s"):
        rig.capture.track(consent("u-1", granted=False))
    assert whose(rig) == [("u-1", "s")]


def test_what_the_request_says_goes_before_everything(new_rig: Any) -> None:
    rig = new_rig(consent=lambda _: True)
    with context(analytics_consent=False):
        rig.track(user_id="u-1")
    with context(analytics_consent=True):
        rig.track(user_id="u-1")
    assert whose(rig) == [(None, None), ("u-1", None)]


def test_a_user_id_that_is_an_address_becomes_its_keyed_hash(new_rig: Any) -> None:
    rig = new_rig(user_id_key=KEY)
    rig.track(user_id=MAIL, session_id="s-1")
    rig.track(user_id="u-1", session_id="+49 170 1234567")
    (first, session), (second, other) = whose(rig)
    assert (len(str(first)), str(first)[:2], session) == (34, "h-", "s-1")
    assert (second, str(other)[:2]) == ("u-1", "h-")
    assert rig.count(Counter.USER_IDS_REPLACED) == 2


def test_without_a_key_it_is_left_out(rig: Any) -> None:
    assert rig.track(user_id=MAIL) is not None
    assert whose(rig) == [(None, None)]


def test_consent_is_asked_for_by_the_id_the_service_knows(new_rig: Any) -> None:
    rig = new_rig(user_id_key=KEY)
    rig.capture.track(consent(MAIL, granted=False))
    rig.track(user_id=MAIL)
    assert [user_id is None for user_id, _ in whose(rig)] == [False, True]


def test_in_strict_mode_it_is_refused_and_nowhere_kept(new_rig: Any) -> None:
    rig = new_rig(strict=True)
    with pytest.raises(Rejected) as caught:
        rig.track(user_id=MAIL)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_VALUE, "user_id")
    with pytest.raises(Rejected):
        rig.capture.track_or_reject(search(query_id="q", query=f"mail {MAIL}", user_id=MAIL))
    assert b"[email]" in kept_bytes(rig)
    assert MAIL.encode() not in kept_bytes(rig)


def test_ids_that_are_no_text_are_left_to_the_contract(rig: Any) -> None:
    assert rig.capture.track(search(query_id="q", query="x", user_id=7)) is None
    rig.ship()
    assert rig.backend.failed()[0]["field"] == "user_id"


def test_what_is_scrubbed_is_counted_by_event(rig: Any) -> None:
    rig.capture.track(search(query_id="q", query=f"{MAIL} or {MAIL}", filters={"to": MAIL}))
    rig.track()
    rig.ship()
    first = rig.backend.events()[0]
    assert (first["query"], first["filters"]) == ("[email] or [email]", [{"name": "to", "value": "[email]"}])
    assert rig.count(Counter.SCRUBBED) == 1


def test_what_an_event_does_not_say_its_context_does(rig: Any) -> None:
    with context(user_id="u-1", session_id="s-1", channel="app"):
        rig.track()
        rig.track(user_id="u-2", channel="web")
        rig.capture.track(interaction(action="click", product_id="p-1"))
        rig.capture.track(PRODUCT)
    assert whose(rig) == [("u-1", "s-1"), ("u-2", "s-1"), ("u-1", "s-1"), (None, None)]
    assert [event.get("channel") for event in rig.backend.events()] == ["app", "web", None, None]


def test_a_context_is_no_part_of_an_event_after_it(rig: Any) -> None:
    with context(user_id="u-1") as inner:
        assert inner == Context(user_id="u-1")
    rig.track()
    assert whose(rig) == [(None, None)]


class Ours:
    """A shop's own classifier."""

    name = "ours-1"

    def classify(self, query: str) -> tuple[str, float]:
        if query == "broken":
            raise RuntimeError
        return ("brand" if query == "unknown" else "product"), 0.75


def intents(rig: Any) -> list[Any]:
    rig.ship()
    return [event.get("intent") for event in rig.backend.events()]


def test_a_search_without_an_intent_gets_one(new_rig: Any) -> None:
    rig = new_rig(classifier=Ours())
    given = {"label": "other", "confidence": 1.0, "classifier": "theirs"}
    for event in (
        search(query_id="q", query="milk"),
        search(query_id="q", query="milk", intent=given),
        search(query_id="q", query="broken"),
        search(query_id="q", query="unknown"),
    ):
        assert rig.capture.track(event) is not None
    rig.capture.track(interaction(action="click", product_id="p-1"))
    ours = {"label": "product", "confidence": 0.75, "classifier": "ours-1"}
    assert intents(rig) == [ours, given, None, None, None]


def test_an_intent_is_of_the_scrubbed_query(new_rig: Any) -> None:
    seen: list[str] = []

    class Listening(Ours):
        def classify(self, query: str) -> tuple[str, float]:
            seen.append(query)
            return "other", 0.5

    rig = new_rig(classifier=Listening())
    rig.capture.track(search(query_id="q", query=f"where is {MAIL}"))
    assert seen == ["where is [email]"]


def test_a_wrong_search_is_kept_as_it_was_given(rig: Any) -> None:
    line = (
        b'{"event_id":"0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","occurred_at":"2026-11-20T12:00:00Z","source":"s",'
        b'"schema_version":1, "event_type":"search","query":"milk"}'
    )
    assert rig.capture.track_line(line) is None
    assert kept_bytes(rig) == line
