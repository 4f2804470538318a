"""How our commands end: the same number for the same thing in every command."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses beside 0."""

    FOUND = 1
    """It worked, and found something wrong: failed events, a table that differs, a check that does not hold."""
    SETTINGS = 2
    """A setting or an argument is missing or wrong; the message names it."""
    UNAVAILABLE = 75
    """A server does not answer; try later (EX_TEMPFAIL of sysexits.h)."""
    STOPPED = 130
    """Stopped by SIGINT or SIGTERM before it was done."""
