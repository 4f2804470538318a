"""Failed events round again: through a fix where one is named, then through the same flow as everything else.

It runs here, not on Dataflow, with the rights the job has: it reads and writes BigQuery. An event keeps its event_id,
so one that was stored meanwhile, or is replayed twice, is still one event to people.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions
from google.cloud import bigquery

from shopstream.schemas import FailedEvent, Reason, SettingsError, Stage
from shopstream.schemas.failure import KEPT_PAYLOAD_BYTES, code_version
from shopstream.schemas.replay import Outcome, Replay
from shopstream.schemas.warehouse import REPLAYS

from .arrival import Delivered, Delivery, Line
from .clock import Clock
from .failed import FailedFilter, Row, list_failed
from .graph import Job, build
from .options import PipelineSettings
from .outcome import each
from .sources import LINES_PER_MESSAGE
from .validate import validate
from .warehouse import store_records

AT_ONCE = 2_000
"""So many are read, sent round and marked before the next."""

Fix = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Takes the fields of a failed event, gives them as they should have been, or None to leave the event alone."""


@dataclass(frozen=True)
class Choice:
    """Which failed events are to go round, and through what."""

    chosen: FailedFilter
    most: int
    fix: Fix | None = None
    fix_name: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A failed event as it would go round."""

    event_id: str
    line: bytes | None
    left_out: str | None = None
    """Why it cannot go, or need not."""


@dataclass
class Verdicts:
    """What a replay came to, or would."""

    passed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """By stage, reason and field."""
    left_out: dict[str, int] = field(default_factory=dict)
    """By why."""

    def add(self, other: "Verdicts") -> None:
        """Sum up."""
        self.passed += other.passed
        for mine, theirs in ((self.failed, other.failed), (self.left_out, other.left_out)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count


def load_fix(place: str) -> Fix:
    """The function that `file.py:function` names.

    Raises:
        SettingsError: There is no such file or function.
    """
    path, _, name = place.rpartition(":")
    spec = importlib.util.spec_from_file_location("fix", path) if Path(path).is_file() else None
    if spec is None or spec.loader is None:
        raise SettingsError(f"{place} is not FILE.py:FUNCTION of a file that exists")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Fix | None = getattr(module, name, None)
    if not callable(function):
        raise SettingsError(f"{path} has no function {name}")
    return function


def prepare(failure: Row, fix: Fix | None) -> Prepared:
    """A failed event with what capture had given it, through the fix."""
    event_id, payload = failure["event_id"], failure["payload"]
    if failure["payload_bytes"] > KEPT_PAYLOAD_BYTES:
        return Prepared(event_id, None, "only its first bytes were kept")
    if failure["reason"] == Reason.ERASED_USER:
        return Prepared(event_id, None, "its user has been erased")
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return Prepared(event_id, payload) if fix is None else Prepared(event_id, None, "no JSON object to fix")
    fixed = fields if fix is None else fix(dict(fields))
    if fixed is None:
        return Prepared(event_id, None, "the fix leaves it alone")
    given = {"event_id": event_id, "writer_id": failure["writer_id"], "sequence": failure["sequence"]}
    # A fix may not make it another event: its event_id is how it is counted, and known when it comes twice.
    whole = fixed | {name: value for name, value in given.items() if value is not None}
    return Prepared(event_id, json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode())


def judge(prepared: Sequence[Prepared], now: datetime) -> Verdicts:
    """What would pass now."""
    delivery = Delivery("replay", {}, now)
    lines = [Line(each.line, n, delivery) for n, each in enumerate(prepared) if each.line is not None]
    outcome = each(Stage.VALIDATE, validate)(lines, now)
    verdicts = Verdicts(len(outcome.done))
    for failure in outcome.failed:
        verdicts.add(Verdicts(failed={_why(failure): 1}))
    for one in prepared:
        if one.left_out is not None:
            verdicts.add(Verdicts(left_out={one.left_out: 1}))
    return verdicts


def dry_run(client: bigquery.Client, settings: PipelineSettings, choice: Choice, now: Clock) -> Verdicts:
    """What a replay would come to, without writing anything.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    failures = list_failed(client, settings, choice.chosen, choice.most)
    return judge([prepare(failure, choice.fix) for failure in failures], now())


def replay(
    client: bigquery.Client,
    settings: PipelineSettings,
    choice: Choice,
    now: Clock,
    *,
    job: Callable[[beam.PTransform], Job],
    report: Callable[[int, int], None] = lambda *_: None,
) -> Verdicts:
    """Send the chosen failed events round, and mark each with what came of it; `report` gets how many of how many.

    Interrupted, what is marked is done; what went round unmarked goes round again and is still one event.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    event_ids = [row["event_id"] for row in list_failed(client, settings, choice.chosen, choice.most)]
    verdicts = Verdicts()
    for start in range(0, len(event_ids), AT_ONCE):
        page = FailedFilter(event_ids=tuple(event_ids[start : start + AT_ONCE]), with_replayed=True)
        prepared = [prepare(failure, choice.fix) for failure in list_failed(client, settings, page, AT_ONCE)]
        going = [each for each in prepared if each.line is not None]
        again = send_round([each.line for each in going if each.line is not None], job, now())
        outcomes: dict[str, Outcome] = {
            each.event_id: "failed" if each.event_id in again else "stored" for each in going
        }
        _mark(client, settings, outcomes, choice.fix_name, now())
        verdicts.add(Verdicts(len(going) - len(again)))
        for why in again.values():
            verdicts.add(Verdicts(failed={why: 1}))
        verdicts.add(judge([each for each in prepared if each.line is None], now()))
        report(min(start + AT_ONCE, len(event_ids)), len(event_ids))
    return verdicts


def send_round(lines: Sequence[bytes], job: Callable[[beam.PTransform], Job], now: datetime) -> dict[str, str]:
    """Run the flow over these events; why those failed that failed, by event_id.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    messages = [
        Delivered(b"\n".join(lines[start : start + LINES_PER_MESSAGE]), Delivery(f"replay-{start}", {}, now))
        for start in range(0, len(lines), LINES_PER_MESSAGE)
    ]
    with TemporaryDirectory() as directory:
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
            failures = build(pipeline, job(beam.Create(messages)))
            told = failures.values() | beam.Flatten() | "Tell" >> beam.Map(_told)
            told | "WriteTold" >> beam.io.WriteToText(f"{directory}/failed")
        files = sorted(Path(directory).glob("failed-*"))
        return dict(json.loads(line) for file in files for line in file.read_text().splitlines())


def _told(failure: FailedEvent) -> str:
    return json.dumps([failure.event_id, _why(failure)])


def _why(failure: FailedEvent) -> str:
    return f"{failure.stage}/{failure.reason} {failure.field or ''}".strip()


def _mark(
    client: bigquery.Client,
    settings: PipelineSettings,
    outcomes: Mapping[str, Outcome],
    fix_name: str | None,
    now: datetime,
) -> None:
    marks = {
        f"{event_id}/{now.isoformat()}": Replay(
            event_id=event_id, replayed_at=now, outcome=outcome, fix=fix_name, code_version=code_version()
        )
        for event_id, outcome in outcomes.items()
    }
    store_records(client, settings, REPLAYS, marks)
