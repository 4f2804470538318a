"""The other end of every backend as a fixture, and batches of events to send."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import orjson
import pytest

from deploy.local.stack import LocalStack
from shopstream.capture.backends import Batch
from shopstream.capture.spool_format import Record
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import (
    CloudSettings,
    FailedEvent,
    Reason,
    Rejected,
    Stage,
    read_event,
    read_settings,
    write_event,
)
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.scrub import scrub_fields
from tests.integration.servers import REDIS_SERVER

from .far_ends import NOW, BigQueryEnd, FarEnd, FileEnd, PubSubEnd, RedisEnd, StorageEnd

GOLDEN = Path(__file__).parents[3] / "golden"


class Events:
    """Makes valid records that no other test makes."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def record(self, line: bytes, **more: Any) -> Record:
        """The event in the line, under an event_id of its own, as capture would spool it."""
        fields = orjson.loads(line) | {"event_id": make_event_id(NOW, self._random), **more}
        event = read_event(orjson.dumps(scrub_fields(fields)), NOW, unknown_fields="ignore")
        return Record(event.event_type, write_event(event))

    def golden(self) -> list[Record]:
        """Every event the golden files show as valid: all types, every field."""
        files = sorted(GOLDEN.glob("*/valid.ndjson"))
        return [self.record(line) for file in files for line in file.read_bytes().splitlines() if line.strip()]

    def searches(self, count: int, **more: Any) -> list[Record]:
        line = (GOLDEN / "search/valid.ndjson").read_bytes().splitlines()[0]
        return [self.record(line, **{"query": f"red wine {number}", **more}) for number in range(count)]

    def failed(self, payload: bytes = b"\xff nonsense \n {") -> Record:
        failure = FailedEvent.of(
            Stage.CAPTURE,
            Rejected(Reason.NOT_UTF8, "byte 0 does not continue UTF-8 text"),
            payload,
            NOW,
            otherwise=make_event_id(NOW, self._random),
        )
        return Record(FAILED_EVENT, failure.model_dump_json(exclude_none=True).encode())

    def largest(self) -> Record:
        """An event of nearly as many bytes as the contract takes."""
        line = (GOLDEN / "voice/valid.ndjson").read_bytes().splitlines()[0]
        turns = [{"role": "user", "text": "ü" * 5_000, "offset_ms": number} for number in range(103)]
        return self.record(line, turns=turns)

    def mixed(self) -> Batch:
        return (*self.golden(), self.failed(), *self.searches(5))


@pytest.fixture
def events(request: pytest.FixtureRequest) -> Events:
    return Events(request.node.nodeid)


@pytest.fixture(scope="module")
def bigquery_dataset(stack: LocalStack, request: pytest.FixtureRequest) -> str:
    """Datasets and tables that the tests of one file share: making them takes longer than a test."""
    dataset = f"t_{request.module.__name__.rpartition('.')[2]}"
    settings = read_settings(CloudSettings, {**stack.environment, "BIGQUERY_DATASET": dataset})
    client = connect(settings)
    apply_tables(client, settings)
    client.close()
    return dataset


@pytest.fixture
def make_far_end(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], FarEnd]]:
    """Gives the other end of the backend of that name."""
    made: list[FarEnd] = []
    number = f"{crc32(request.node.nodeid.encode()):08x}"

    def make(name: str) -> FarEnd:
        far_end: FarEnd
        if name == "pubsub":
            far_end = PubSubEnd(request.getfixturevalue("place").arrivals)
        elif name == "storage":
            far_end = StorageEnd(request.getfixturevalue("storage_address"), f"bucket-{number}")
        elif name == "bigquery":
            dataset = request.getfixturevalue("bigquery_dataset")
            far_end = BigQueryEnd(request.getfixturevalue("stack"), dataset)
        elif name == "redis":
            url = request.getfixturevalue("redis_url")
            far_end = RedisEnd(url, f"events-{number}", owned=shutil.which(REDIS_SERVER) is not None)
        else:
            far_end = FileEnd(tmp_path)
        made.append(far_end)
        return far_end

    yield make
    for far_end in made:
        far_end.close()


@pytest.fixture
def far_end(make_far_end: Callable[[str], FarEnd], request: pytest.FixtureRequest) -> FarEnd:
    return make_far_end(request.param)
