"""Where a server listens."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where a server listens, and the variables that say so."""

    host: str
    port: int
    """0 takes a free one."""
    variables: str
    """What the variables of host and port begin with, such as CAPTURE_COLLECTOR_."""
