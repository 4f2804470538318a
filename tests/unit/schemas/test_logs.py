"""Log lines of the commands: JSON, with what they carry, without tracebacks."""

import json
import logging
from collections.abc import Iterator

import pytest

from shopstream.schemas.failure import where
from shopstream.schemas.logs import log_json


@pytest.fixture
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_as_before")
def test_a_line_is_one_json_object_with_what_the_record_carries(capsys: pytest.CaptureFixture[str]) -> None:
    log_json()
    logging.getLogger("shopstream.test").warning("%d events wait", 3, extra={"backend": "pubsub"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "3 events wait", "level": "warning", "logger": "shopstream.test", "backend": "pubsub"}


@pytest.mark.usefixtures("_as_before")
def test_an_error_is_named_with_its_place_and_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    log_json()
    try:
        int("a query")
    except ValueError:
        logging.getLogger("shopstream.test").exception("it did not work")
    said = capsys.readouterr().err
    place = test_an_error_is_named_with_its_place_and_without_its_text.__name__
    assert json.loads(said)["error"].startswith(f"ValueError at {place}:")
    assert "a query" not in said


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert where(KeyError("a query")) == "KeyError"
