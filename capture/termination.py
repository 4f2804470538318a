"""SIGTERM as a normal exit, for a service that wants its events shipped before it leaves."""

import signal
import sys
from types import FrameType


def exit_on_sigterm() -> bool:
    """Let SIGTERM end the process as sys.exit does, so that capture drains; False where another handler stays.

    By default SIGTERM ends a Python process on the spot: nothing tracked is lost, for it is on disk and the next
    start ships it, but nothing is shipped before. A server with a handler of its own (gunicorn, uvicorn) keeps it:
    there, close capture where the server says it stops, for example in an ASGI lifespan.

    Call it on the main thread, once, before a server is started.

    Raises:
        ValueError: It is not called on the main thread.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    signal.signal(signal.SIGTERM, _exit)
    return True


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
