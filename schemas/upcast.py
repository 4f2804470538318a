"""Events of an older version of their contract become ones of today's, one small function a step: old events read.

A change that old events would not survive raises the `schema_version` of its model and adds a step here; a change that
they survive (a new field with a default, a wider type) needs neither.
"""

from collections.abc import Callable, Mapping

Fields = dict[str, object]
Step = Callable[[Fields], Fields]
"""From one version to the next; takes fields as they were read, returns new ones, and may trust that the fields were
valid when they were written, but not that they still are."""
Steps = Mapping[str, tuple[Step, ...]]
"""For each event type its steps, the first from version 1 to version 2."""

STEPS: Steps = {}
"""Every event type is at version 1 so far."""


def current_version(event_type: str, steps: Steps = STEPS) -> int:
    """The version of an event type's contract that is written today."""
    return 1 + len(steps.get(event_type, ()))


def upcast(fields: Fields, steps: Steps = STEPS) -> Fields | None:
    """The fields in today's version; None where they are not of an older one."""
    event_type, version = fields.get("event_type"), fields.get("schema_version")
    # A bool is an int to Python, not to a contract.
    if not isinstance(event_type, str) or type(version) is not int:
        return None
    ahead = steps.get(event_type, ())[version - 1 :] if version >= 1 else ()
    for step in ahead:
        fields = step(fields)
    return {**fields, "schema_version": version + len(ahead)} if ahead else None
