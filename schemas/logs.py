"""Logs of the commands: one JSON object a line on standard error, without payloads.

A library logs through `logging` and configures nothing; whoever uses capture within a service has its lines in the
form of the service's own.
"""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from .failure import where


def log_json(level: int = logging.INFO) -> None:
    """Send every logger's records, with what they carry in `extra`, to standard error as JSON lines."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _name_error,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _name_error(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """In place of a traceback, which quotes what was sent."""
    raised = line.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        line["error"] = where(error)
    return line
