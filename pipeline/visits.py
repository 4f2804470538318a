"""Visits by event time: events that belong together, the search each began with, and those too quick for a person.

No Beam, no clock. What the functions remember of a visitor is plain data, so that it can be kept in a job's state. An
event seen twice is put into the same visit twice.
"""

from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

import msgspec

from shopstream.schemas.live.session_counts import SessionCounts
from shopstream.schemas.structs import EventStruct

GAP = timedelta(minutes=30)
"""A visit ends when nothing has happened for longer."""
REMEMBERED = timedelta(hours=3)
"""For so long after anything arrived of a visitor is the visitor remembered: how late an event can join its visit."""
MOST_VISITS = 8
"""Of one visitor; beyond it the oldest is forgotten."""
_MINUTE = timedelta(minutes=1)
BOT_EVENTS_A_MINUTE = 120
"""More than this within one minute of event time, impressions aside, is no person."""
VISIT_TYPES = frozenset({"search", "interaction", "order", "voice"})
"""The event types that happen within a visit."""


class Visit(msgspec.Struct, array_like=True):
    """Events of one visitor with no gap above GAP, or of one session_id where the source names it."""

    session_id: str
    began_at: datetime
    ended_at: datetime
    first_query_id: str | None = None
    first_searched_at: datetime | None = None
    minute_began_at: datetime | None = None
    """From here on events are counted for a minute."""
    events_in_minute: int = 0
    is_bot: bool = False
    counted: SessionCounts | None = None
    """What live features have counted of it; None where they are off."""


class Visitor(msgspec.Struct, array_like=True):
    """What is remembered of a visitor."""

    last_arrival: datetime
    visits: list[Visit]


Visitors = dict[str, Visitor]
"""Those a worker remembers, by the key visitor_of gives."""


def visitor_of(event: EventStruct) -> str | None:
    """Whose visit an event belongs to: the user's, or where nobody is known the session's; None where it has none."""
    if event.event_type not in VISIT_TYPES:
        return None
    if event.user_id is not None:
        return f"user {event.user_id}"
    return None if event.session_id is None else f"session {event.session_id}"


def visit_of(visitors: Visitors, visitor: str, event: EventStruct, received_at: datetime) -> Visit:
    """The visit an event of this visitor belongs to, with the event counted in; `visitors` remembers it."""
    known = visitors.get(visitor)
    if known is None:
        known = visitors[visitor] = Visitor(received_at, [])
    elif received_at > known.last_arrival:
        known.last_arrival = received_at
    visit = _find(known.visits, event)
    if visit is None:
        visit = _new(visitor, event)
        known.visits.append(visit)
        if len(known.visits) > MOST_VISITS:
            known.visits.remove(min(known.visits, key=lambda each: each.ended_at))
    _count_in(visit, event)
    return visit


def forget(visitors: Visitors, now: datetime) -> None:
    """Forget those of whom nothing has arrived for REMEMBERED."""
    before = now - REMEMBERED
    for visitor in [name for name, known in visitors.items() if known.last_arrival < before]:
        del visitors[visitor]


def first_query_of(visit: Visit, event: EventStruct) -> str | None:
    """The search the visit began with, where it came before the event."""
    if visit.first_searched_at is None or visit.first_searched_at > event.occurred_at:
        return None
    return visit.first_query_id


def _find(visits: list[Visit], event: EventStruct) -> Visit | None:
    if event.session_id is not None:
        # The last one, nearly always.
        for visit in reversed(visits):
            if visit.session_id == event.session_id:
                return visit
        return None
    near = [visit for visit in visits if visit.began_at - GAP <= event.occurred_at <= visit.ended_at + GAP]
    # Between two visits it belongs to the earlier one, which it is the rest of; those two stay two.
    return min(near, key=lambda visit: visit.began_at, default=None)


def _new(visitor: str, event: EventStruct) -> Visit:
    # The same whenever the event comes again.
    session_id = event.session_id or str(uuid5(NAMESPACE_URL, f"{visitor}/{event.event_id}"))
    return Visit(session_id, event.occurred_at, event.occurred_at)


def _count_in(visit: Visit, event: EventStruct) -> None:
    moment = event.occurred_at
    if moment > visit.ended_at:
        visit.ended_at = moment
    elif moment < visit.began_at:
        visit.began_at = moment
    if event.event_type == "search":
        if visit.first_searched_at is None or moment < visit.first_searched_at:
            visit.first_query_id, visit.first_searched_at = event.query_id, moment  # type: ignore[attr-defined]
    elif event.event_type == "interaction" and event.action == "impression":  # type: ignore[attr-defined]
        return
    if visit.minute_began_at is None or moment - visit.minute_began_at >= _MINUTE:
        visit.minute_began_at, visit.events_in_minute = moment, 0
    if moment >= visit.minute_began_at:
        visit.events_in_minute += 1
        if visit.events_in_minute > BOT_EVENTS_A_MINUTE:
            visit.is_bot = True
