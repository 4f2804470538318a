"""The other end of each backend: its server as a real process, how to read back what it got, and how it can fail."""

import gzip
import json
import resource
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import redis
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from deploy.local.stack import LocalStack
from shopstream.capture import CaptureSettings
from shopstream.capture.backends import Backend, BackendOn, backends_on
from shopstream.capture.spool_format import Record
from shopstream.pipeline.tables import apply_tables
from shopstream.pipeline.warehouse import connect
from shopstream.schemas import CloudSettings, FailedEvent, read_event, read_settings, unpack
from shopstream.schemas.events import Search
from shopstream.schemas.message import FAILED_EVENT
from shopstream.schemas.normalised_query import normalised_query
from shopstream.schemas.warehouse import failed_table_id, raw_table_id
from tests.integration.wire import Wire, http_answer

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)
TIMEOUT_SECONDS = 0.7
"""What every backend under test waits for its server."""
PATIENCE_SECONDS = 30.0


class FarEnd(ABC):
    """One backend's other end, its own for each test."""

    name: ClassVar[str]
    sends_again_add = True
    """Whether what is sent twice can be read twice, under the same event_id."""
    patience_seconds = TIMEOUT_SECONDS * 3
    """A failed send has ended by then: one timeout, and what a busy machine adds."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {
            "CAPTURE_SPOOL_DIRECTORY": "unused",
            "CAPTURE_PUBSUB_ENABLED": "false",
            f"CAPTURE_{self.name.upper()}_ENABLED": "true",
            **environment,
        }

    def switched_on(self) -> BackendOn:
        settings = read_settings(CaptureSettings, self.environment)
        (backend,) = backends_on(settings, self.environment, now=lambda: NOW).values()
        return backend

    def backend(self) -> Backend:
        """Made as capture makes it: from its settings."""
        return self.switched_on()()

    @abstractmethod
    def read(self) -> list[Any]:
        """Everything there is, each as `seen` shows it."""

    def seen(self, record: Record) -> Any:
        return (record.event_type, record.document)

    def event_id(self, seen: Any) -> str:
        return str(json.loads(seen[1])["event_id"])

    @abstractmethod
    def begin(self, fault: str) -> None:
        """From now on it fails."""

    @abstractmethod
    def end(self, fault: str) -> None:
        """It is well again."""

    @abstractmethod
    def close(self) -> None:
        """Nothing of the test is left."""


class OnAWire(FarEnd):
    """A server behind a wire that can be cut, silenced and answered on."""

    answers: Mapping[str, bytes] = {}
    """By fault, what the wire answers in the server's place."""
    repairs: dict[str, Callable[[], object]]

    def __init__(self, wire: Wire, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.wire = wire
        self.repairs = {}

    def begin(self, fault: str) -> None:
        if fault in {"refused", "killed"}:
            self.wire.set("cut")
        elif fault == "hangs":
            self.wire.set("silent")
        elif fault == "answer lost":
            self.wire.set("answer lost")
        elif fault in self.answers:
            self.wire.set("answer", self.answers[fault])
        else:
            self.repairs[fault] = self.break_server(fault)

    def end(self, fault: str) -> None:
        if fault in self.repairs:
            self.repairs.pop(fault)()
        self.wire.set("open")

    def break_server(self, fault: str) -> Callable[[], object]:
        """Break the server itself; gives how to mend it."""
        raise NotImplementedError(fault)

    def close(self) -> None:
        for repair in self.repairs.values():
            repair()
        self.wire.close()


HTTP_ANSWERS = {
    "500": http_answer(500),
    "503": http_answer(503),
    "429": http_answer(429),
    "denied": http_answer(403),
    "unauthorized": http_answer(401),
    "no JSON": http_answer(200, b"<html>secret"),
}


class PubSubEnd(OnAWire):
    name = "pubsub"

    def __init__(self, arrivals: Any) -> None:
        host, _, port = arrivals.address.rpartition(":")
        wire = Wire(host, int(port))
        super().__init__(
            wire,
            {
                "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{wire.port}",
                "GOOGLE_CLOUD_PROJECT": arrivals.project,
                "PUBSUB_TOPIC": arrivals.name,
                "CAPTURE_PUBSUB_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
                "CAPTURE_PUBSUB_ENABLED": "true",
            },
        )
        self._arrivals = arrivals

    def read(self) -> list[Any]:
        self._arrivals.pull(0)
        return [
            (message.attributes["event_type"], line)
            for message in (*self._arrivals.messages, *self._arrivals.ledger)
            for line in unpack(message.data, dict(message.attributes))
        ]

    def break_server(self, fault: str) -> Callable[[], object]:
        if fault == "missing":
            self._arrivals.delete()
            return self._arrivals.create
        self._arrivals.suffer({"503": "unavailable", "429": "resource-exhausted"}[fault], 2)
        return lambda: None


class StorageEnd(OnAWire):
    name = "storage"
    sends_again_add = False
    answers = HTTP_ANSWERS

    def __init__(self, address: str, bucket: str) -> None:
        parts = urlsplit(address)
        wire = Wire(str(parts.hostname), int(parts.port or 0))
        super().__init__(
            wire,
            {
                "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{wire.port}",
                "GOOGLE_CLOUD_PROJECT": "shopstream-test",
                "CAPTURE_STORAGE_BUCKET": bucket,
                "CAPTURE_STORAGE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            },
        )
        anonymous = AnonymousCredentials()
        self._client = storage.Client(
            "shopstream-test", credentials=anonymous, client_options={"api_endpoint": address}
        )
        self.bucket = self._client.create_bucket(bucket)

    def objects(self) -> dict[str, bytes]:
        """The objects by name, as they lie there."""
        return {blob.name: blob.download_as_bytes(raw_download=True) for blob in self.bucket.list_blobs()}

    def read(self) -> list[Any]:
        return [
            (next(part for part in reversed(name.split("/")[:-1]) if "=" not in part), line)
            for name, content in self.objects().items()
            for line in gzip.decompress(content).split(b"\n")[:-1]
        ]

    def break_server(self, fault: str) -> Callable[[], object]:
        assert fault == "missing"
        self.bucket.delete(force=True)
        return lambda: self._client.create_bucket(self.bucket.name)

    def close(self) -> None:
        super().close()
        self._client.close()


class BigQueryEnd(OnAWire):
    name = "bigquery"
    patience_seconds = 15.0
    answers = HTTP_ANSWERS

    def __init__(self, stack: LocalStack, dataset: str) -> None:
        parts = urlsplit(stack.environment["BIGQUERY_EMULATOR_HOST"])
        wire = Wire(str(parts.hostname), int(parts.port or 0))
        settings = {"GOOGLE_CLOUD_PROJECT": stack.environment["GOOGLE_CLOUD_PROJECT"], "BIGQUERY_DATASET": dataset}
        super().__init__(
            wire,
            {
                **settings,
                "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{wire.port}",
                "CAPTURE_BIGQUERY_TIMEOUT_SECONDS": "3",
            },
        )
        self.cloud = read_settings(CloudSettings, {**settings, "BIGQUERY_EMULATOR_HOST": parts.geturl()})
        self.client = connect(self.cloud)
        self._sent = {"search"}

    def read(self) -> list[Any]:
        tables = {name: raw_table_id(self.cloud, name) for name in sorted(self._sent - {FAILED_EVENT})}
        if FAILED_EVENT in self._sent:
            tables[FAILED_EVENT] = failed_table_id(self.cloud)
        return [(name, _plain(dict(row))) for name, table in tables.items() for row in self._rows(table)]

    def _rows(self, table: str) -> list[Any]:
        statement = f"SELECT * FROM `{table}`"  # noqa: S608 - a table of ours
        return list(self.client.query(statement, timeout=60, retry=None).result(timeout=60))

    def seen(self, record: Record) -> Any:
        self._sent.add(record.event_type)
        if record.event_type == FAILED_EVENT:
            failure = FailedEvent.model_validate_json(record.document)
            return (FAILED_EVENT, _plain(failure.model_dump() | {"received_at": NOW}))
        event = read_event(record.document, NOW, unknown_fields="forbid")
        arrival: dict[str, Any] = {"received_at": NOW, "ingested_at": NOW}
        if isinstance(event, Search):
            arrival["normalised_query"] = normalised_query(event.query)
        return (record.event_type, _plain(event.model_dump() | arrival))

    def event_id(self, seen: Any) -> str:
        return str(seen[1]["event_id"])

    def break_server(self, fault: str) -> Callable[[], object]:
        assert fault == "missing"
        name = failed_table_id(self.cloud)
        self.client.delete_table(name, timeout=60, retry=None)
        return lambda: apply_tables(self.client, self.cloud)

    def close(self) -> None:
        super().close()
        self.client.close()


class RedisEnd(OnAWire):
    name = "redis"
    answers: Mapping[str, bytes] = {"loading": b"-LOADING Redis is loading the dataset in memory\r\n"}

    def __init__(self, url: str, stream: str, *, owned: bool) -> None:
        parts = urlsplit(url)
        wire = Wire(str(parts.hostname), int(parts.port or 6379))
        super().__init__(
            wire,
            {
                "REDIS_URL": f"redis://127.0.0.1:{wire.port}{parts.path}",
                "CAPTURE_REDIS_STREAM": stream,
                "CAPTURE_REDIS_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            },
        )
        self.stream, self._owned = stream, owned
        self.admin: Any = redis.Redis.from_url(url, protocol=2)

    def entries(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in self.admin.xrange(self.stream)]

    def read(self) -> list[Any]:
        return [(entry[b"event_type"].decode(), entry[b"document"]) for entry in self.entries()]

    def break_server(self, fault: str) -> Callable[[], object]:
        if fault == "wrong type":
            self.admin.rename(self.stream, "aside")
            self.admin.set(self.stream, "a string")
            return lambda: self.admin.rename("aside", self.stream)
        if not self._owned:
            pytest.skip("the Redis that REDIS_URL names is not ours to reconfigure")
        admin = self.admin
        if fault == "out of memory":
            admin.config_set("maxmemory", "1")  # Less than an empty Redis takes.
            return lambda: admin.config_set("maxmemory", "0")
        if fault == "read-only":
            admin.replicaof("127.0.0.1", "1")
            return lambda: admin.replicaof("NO", "ONE")
        if fault == "unauthorized":
            admin.ping()  # On a connection from before, which stays authenticated.
            admin.config_set("requirepass", "another")
            self.wire.set("open")
            return lambda: admin.config_set("requirepass", "")
        assert fault == "denied"
        admin.execute_command("ACL", "SETUSER", "default", "-xadd")
        return lambda: admin.execute_command("ACL", "SETUSER", "default", "+xadd")

    def close(self) -> None:
        super().close()
        self.admin.delete(self.stream, "aside")
        self.admin.close()


class FileEnd(FarEnd):
    name = "file"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "events"
        self._aside = directory / "aside"
        super().__init__({"CAPTURE_FILE_PATH": str(self.path)})

    def files(self) -> list[Path]:
        return sorted(self.path.rglob("*.ndjson"))

    def read(self) -> list[Any]:
        return [
            (file.relative_to(self.path).parts[0], line)
            for file in self.files()
            for line in file.read_bytes().split(b"\n")[:-1]
        ]

    def begin(self, fault: str) -> None:
        if fault == "missing":
            self.path.rename(self._aside)
            self.path.write_bytes(b"a file where the folder should be")
        else:
            assert fault == "full"
            # A real short write: the kernel takes what fits and then refuses the rest.
            largest = max((file.stat().st_size for file in self.files()), default=0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 100, resource.RLIM_INFINITY))

    def end(self, fault: str) -> None:
        if fault == "missing":
            self.path.unlink()
            self._aside.rename(self.path)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        shutil.rmtree(self.path, ignore_errors=True)


def _plain(value: Any) -> Any:
    """A value as it is compared, from a model or from a row of BigQuery; what is absent is left out."""
    if isinstance(value, Mapping):
        kept = {name: _plain(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None and item != []}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, str):
        return str(value)  # A member of an enumeration is its text.
    return value.astimezone(UTC) if isinstance(value, datetime) else value
