"""What stays in memory, and what is kept, while every backend is down."""

import json
from typing import Any

from .runs import finish, place_of, say
from .subjects import OURS, PEERS

_PATIENCE_SECONDS = 40.0


def memory(events: int, peers: bool) -> list[dict[str, Any]]:
    """A row a subject: resident growth while it tracks, then how many events arrive once the sink is up and it closes.

    A peer stops at half a minute or 1.5 GB.
    """
    rows = []
    for subject in (OURS, *(PEERS if peers else ())):
        settings = {"CAPTURE_SPOOL_MAX_BYTES": str(8 * 2**30), "CAPTURE_DRAIN_SECONDS": str(_PATIENCE_SECONDS)}
        with place_of(subject, **settings) as place:
            process = place.start("memory", events=events)
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            line = process.stdout.readline()
            found = json.loads(line) if line else {}
            place.sink.up()
            hung = finish(process, _PATIENCE_SECONDS * 1.5).get("hung", False)
            arrived = len(place.sink.down().arrived)
        say(f"{subject:26} {found}  arrived {arrived:,}")
        rows.append(
            {
                "every backend down": subject,
                "events tracked": found.get("tracked", 0),
                "resident growth, MB": round(found.get("growth", 0) / 1e6, 1),
                "threads": found.get("threads", 0),
                "arrived once up again": arrived,
                "lost": found.get("tracked", 0) - arrived,
                "close()": "hung" if hung else "ended",
            }
        )
    return rows
