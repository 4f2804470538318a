"""The pipeline as files in, files out: one folder an event type, and one for whole messages."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopstream.pipeline.arrival import Delivered, Delivery
from shopstream.pipeline.decode import decode
from shopstream.pipeline.enrich import enrich
from shopstream.pipeline.outcome import each
from shopstream.pipeline.validate import validate
from shopstream.pipeline.visits import Visitors, visit_of, visitor_of
from shopstream.schemas import EVENT_TYPES, Reason, Stage
from shopstream.schemas.rows import failed_row

HERE = Path(__file__).parent
RECEIVED_AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 8, 30, 1, tzinfo=UTC)
FOLDERS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("__"))


def through_the_pipeline(data: bytes) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The rows of the raw tables and of the failed table that one message becomes."""
    lines = decode(Delivered(data, Delivery("1", {}, RECEIVED_AT)), NOW)
    events = each(Stage.VALIDATE, validate)(lines.done, NOW)
    visitors: Visitors = {}
    rows = []
    for received in events.done:
        visitor = visitor_of(received.event)
        visit = visitor and visit_of(visitors, visitor, received.event, RECEIVED_AT)
        rows.append(json.loads(enrich(received, visit or None, ("test-",), NOW).document))
    failures = [json.loads(failed_row(failure)) for failure in (*lines.failed, *events.failed)]
    return rows, [{name: value for name, value in failure.items() if name != "code_version"} for failure in failures]


def ndjson(rows: list[dict[str, object]]) -> str:
    """Rows as sorted lines, so that their order does not matter."""
    return "".join(sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows))


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_comes_out_is_what_the_golden_files_say(folder: str, request: pytest.FixtureRequest) -> None:
    place = HERE / folder
    valid_rows, valid_failed = through_the_pipeline((place / "valid.ndjson").read_bytes())
    invalid_rows, failed = through_the_pipeline((place / "invalid.ndjson").read_bytes())
    if request.config.getoption("--rewrite-golden"):
        (place / "rows.ndjson").write_text(ndjson(valid_rows))
        (place / "failed.ndjson").write_text(ndjson(failed))
    assert valid_failed == []
    assert invalid_rows == []
    assert ndjson(valid_rows) == (place / "rows.ndjson").read_text()
    assert ndjson(failed) == (place / "failed.ndjson").read_text()


def test_every_event_type_has_its_golden_files() -> None:
    assert set(FOLDERS) == set(EVENT_TYPES)


def test_every_reason_has_a_case() -> None:
    lines = [line for folder in FOLDERS for line in (HERE / folder / "failed.ndjson").read_text().splitlines()]
    seen = {json.loads(line)["reason"] for line in lines}
    # These need a spool, a whole message, a row or a strict caller; tests/unit and tests/integration have them.
    elsewhere = {
        Reason.ATTRIBUTE_MISMATCH,
        Reason.BACKEND_REFUSED,
        Reason.DAMAGED_LINE,
        Reason.ERASED_USER,
        Reason.TOO_LARGE,
        Reason.UNREADABLE_MESSAGE,
        Reason.ROW_REFUSED,
        Reason.UNKNOWN_FIELD,
    }
    assert seen | elsewhere == set(Reason)
