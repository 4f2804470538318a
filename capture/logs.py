"""Log lines of the commands, as JSON on standard error. A service's own logging is its own: nothing here touches it."""

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            # The kind of error only: its text may quote what was sent.
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


def log_json(level: int = logging.INFO) -> None:
    """From now on this process logs JSON lines, without payloads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
