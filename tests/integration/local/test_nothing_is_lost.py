"""captured = stored + failed, to the event: 50,000 events, 1 % of them bad, messages delivered twice."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deploy.local.stack import LocalStack
from deploy.local.tally import Tally, tally, views_repeat_an_event
from deploy.local.walk import Walk, Walked
from deploy.local.wrong_events import KINDS, wrong_event
from shopstream.capture import Capture
from shopstream.schemas import Reason
from shopstream.schemas.identifiers import make_event_id

EVENTS = 50_000
BAD_EVERY = 100
START = datetime(2026, 11, 1, tzinfo=UTC)


def good(number: int, random: Random) -> dict[str, Any]:
    moment = START + timedelta(seconds=number)
    return {
        "event_id": make_event_id(moment, random),
        "event_type": "interaction",
        "occurred_at": moment.isoformat(),
        "user_id": f"u-{number % 500}",
        "action": "click",
        "product_id": f"p-{number % 3000}",
        "position": 1 + number % 10,
    }


def lines() -> Iterator[tuple[Reason | None, bytes]]:
    random = Random(7)
    for number in range(EVENTS):
        fields = good(number, random)
        if number % BAD_EVERY:
            yield None, json.dumps(fields).encode()
            continue
        yield wrong_event(number // BAD_EVERY % KINDS, fields)
    yield Reason.TOO_LARGE, json.dumps(good(EVENTS, random) | {"product_id": "x" * 10_000_000}).encode()


def await_duplicates(walk: Walk, many: int) -> Tally:
    """What the warehouse holds once a good many messages have come a second time; they come last."""
    deadline = time.monotonic() + 60
    while (found := tally(walk.client, walk.settings)).duplicates_delivered <= many and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


# With storage_write only failed events are there twice: what is received in a stream's first minute is asked for.
@pytest.mark.parametrize(("method", "many"), [("streaming_inserts", 1000), ("storage_write", 50)])
def test_every_event_is_stored_or_failed_and_seen_once(
    method: str, many: int, stack: LocalStack, tmp_path: Path
) -> None:
    names = {
        "BIGQUERY_WRITE_METHOD": method,
        "BIGQUERY_DATASET": f"nothing_is_lost_{method}",
        "PUBSUB_TOPIC": f"nothing-is-lost-{method}",
        "PUBSUB_SUBSCRIPTION": f"nothing-is-lost-{method}-pipeline",
    }
    expected: Counter[str] = Counter()

    def give(capture: Capture) -> Iterator[str | None]:
        for reason, line in lines():
            expected[reason or "stored"] += 1
            yield capture.track_line(line)

    with Walk(stack, tmp_path, settings=names, duplicate_every=5) as walk:
        captured = walk.send(give, lambda _: None)
        walk.await_stored(captured, lambda _: None)
        found = await_duplicates(walk, many)
        assert views_repeat_an_event(walk.client, walk.settings) == []
    walked = Walked(captured, found)
    stored = expected.pop("stored")
    assert captured == EVENTS + 1
    assert walked.stored == stored
    assert dict(found.failed) == dict(expected)
    assert walked.lost == 0
    assert found.duplicates_delivered > many
