"""How fast the forwarder empties a spool into a Pub/Sub stub."""

from typing import Any

from .runs import place_of, say
from .subjects import OURS, OURS_OFF


def drain(events: int) -> list[dict[str, Any]]:
    """One row: events spooled, seconds until the last was acknowledged, different events at the stub."""
    with place_of(OURS_OFF, CAPTURE_DRAIN_SECONDS="300") as place:
        place.run("lose", events=events, pace=1e9, ending="close", counter=str(place.directory / "counter"))
        place.subject = OURS
        place.sink.up()
        seconds = place.run("drain")["seconds"]
        arrived = len(place.sink.down().arrived)
    say(f"{events:,} events drained in {seconds:.2f} s, {arrived:,} arrived")
    return [
        {
            "events spooled": events,
            "seconds": round(seconds, 2),
            "events/s": round(arrived / seconds),
            "different events at the stub": arrived,
        }
    ]
