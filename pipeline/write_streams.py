"""The Storage Write API as the job uses it: committed streams, appends at an offset, one table of what its errors mean.

A stream is appended to over one connection that stays open. An append at an offset that the stream has passed is
rejected, which is what makes writing twice impossible.
"""

import queue
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import grpc
import pyarrow as pa
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.cloud.bigquery_storage_v1.types import (
    AppendRowsRequest,
    AppendRowsResponse,
    ArrowRecordBatch,
    ArrowSchema,
    WriteStream,
)

from shopstream.schemas import CloudSettings, Unavailable

from .warehouse import REQUEST_SECONDS, RowError

MOST_CONNECTIONS = 64
"""Of one worker thread; the one used least lately is closed for another."""
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_OF_THE_STREAM = frozenset(
    {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OUT_OF_RANGE}
)
"""The stream is finalised, forgotten, or not where we left it."""


class AlreadyWritten(Exception):
    """The stream has rows at this offset: an earlier attempt put them there."""


class StreamGone(Exception):
    """Nothing can be appended to this stream at this offset; another stream is needed."""


class RowsRefused(Exception):
    """These rows will never be taken as they are; none of the request was stored."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(f"{len(errors)} rows refused")
        self.errors = errors


class WriteStreams:
    """Makes streams and appends to them."""

    def __init__(self, settings: CloudSettings) -> None:
        self._client = _connect(settings)
        self._connections: OrderedDict[str, _Connection] = OrderedDict()

    def create(self, table: str) -> str:
        """A new committed stream into `project.dataset.table`.

        Raises:
            Unavailable: BigQuery makes none now.
        """
        project, dataset, name = table.split(".")
        stream = WriteStream(type_=WriteStream.Type.COMMITTED)
        with _translated(f"a stream into {table}", of_the_stream=frozenset()):
            made = self._client.create_write_stream(
                parent=f"projects/{project}/datasets/{dataset}/tables/{name}",
                write_stream=stream,
                retry=None,
                timeout=REQUEST_SECONDS,
            )
        return str(made.name)

    def append(self, stream: str, offset: int, batch: pa.RecordBatch) -> None:
        """Append at the offset; when this returns the rows can be queried.

        Raises:
            AlreadyWritten: The stream is past the offset.
            StreamGone: The stream does not take the rows there, now or later.
            RowsRefused: It refuses some of the rows; none is stored.
            Unavailable: Nothing is known of the rows.
        """
        connection = self._connections.pop(stream, None) or _Connection(self._client, stream)
        try:
            with _translated(stream, of_the_stream=_OF_THE_STREAM):
                response = connection.append(offset, batch)
        except BaseException:
            connection.close()
            raise
        self._connections[stream] = connection
        if len(self._connections) > MOST_CONNECTIONS:
            self._connections.popitem(last=False)[1].close()
        _raise_for(response, stream)

    def close(self) -> None:
        """Close every connection."""
        while self._connections:
            self._connections.popitem()[1].close()
        self._client.transport.close()


class _Connection:
    """One open call to append to one stream: a request, an answer, a request."""

    def __init__(self, client: BigQueryWriteClient, stream: str) -> None:
        self._client, self._stream = client, stream
        self._requests: queue.SimpleQueue[AppendRowsRequest | None] = queue.SimpleQueue()
        self._answers: Any = None

    def append(self, offset: int, batch: pa.RecordBatch) -> AppendRowsResponse:
        """Send one request and wait for its answer."""
        request = AppendRowsRequest(write_stream=self._stream, offset=offset)
        request.arrow_rows.rows = ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes())
        if self._answers is None:
            request.arrow_rows.writer_schema = ArrowSchema(serialized_schema=batch.schema.serialize().to_pybytes())
            # Not the client's method of that name: it waits for the first answer before it gives what can be cancelled.
            self._answers = self._client.transport.append_rows(
                iter(self._requests.get, None), metadata=(("x-goog-request-params", f"write_stream={self._stream}"),)
            )
        self._requests.put(request)
        # A deadline of the whole call would end a connection that is well.
        deadline = Timer(REQUEST_SECONDS, self.close)
        deadline.daemon = True
        deadline.start()
        try:
            answer: AppendRowsResponse = next(self._answers)
        except StopIteration:
            raise Unavailable(f"BigQuery ended the connection to {self._stream}") from None
        finally:
            deadline.cancel()
        return answer

    def close(self) -> None:
        """End the call; an answer that is awaited becomes an error."""
        self._requests.put(None)
        if self._answers is not None:
            self._answers.cancel()


def _connect(settings: CloudSettings) -> BigQueryWriteClient:
    if settings.bigquery_emulator_host is None:
        return BigQueryWriteClient()
    channel = grpc.insecure_channel(str(settings.bigquery_storage_emulator_host))
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def _raise_for(response: AppendRowsResponse, stream: str) -> None:
    code = _CODES.get(response.error.code, grpc.StatusCode.UNKNOWN)
    if code is grpc.StatusCode.OK:
        return
    if code is grpc.StatusCode.ALREADY_EXISTS:
        raise AlreadyWritten(stream)
    if code in _OF_THE_STREAM:
        raise StreamGone(f"{stream}: {code.name}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        # Their messages are left out, for they may quote a value.
        raise RowsRefused([RowError(error.index, None, error.code.name.lower()) for error in response.row_errors])
    raise Unavailable(f"BigQuery did not take rows of {stream}: {code.name}")


@contextmanager
def _translated(what: str, of_the_stream: frozenset[grpc.StatusCode]) -> Iterator[None]:
    """The client's errors in our words; those with a code of the stream say that the stream is gone."""
    try:
        yield
    except (exceptions.GoogleAPIError, grpc.RpcError) as error:
        # An open call raises itself, the client errors of its own.
        code = error.code() if isinstance(error, grpc.Call) else getattr(error, "grpc_status_code", None)
        if code in of_the_stream:
            raise StreamGone(f"{what}: {type(error).__name__}") from None
        raise Unavailable(f"BigQuery did not take {what}: {type(error).__name__}") from error
