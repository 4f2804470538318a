"""Where messages come from: the subscription, or files of lines for a back-fill."""

from collections.abc import Iterable, Iterator
from datetime import UTC

import apache_beam as beam
from apache_beam.io.fileio import MatchFiles, ReadableFile, ReadMatches
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.utils.timestamp import Timestamp

from shopstream.schemas import CloudSettings

from .arrival import Delivered, Delivery
from .clock import Clock

LINES_PER_MESSAGE = 500


class FromSubscription(beam.PTransform):
    """Messages of the pipeline's subscription; received_at is their publish time."""

    def __init__(self, settings: CloudSettings) -> None:
        super().__init__()
        self._subscription = settings.subscription_path

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Delivered]:
        """Read and label."""
        return (
            begin
            | "ReadFromPubSub" >> ReadFromPubSub(subscription=self._subscription, with_attributes=True)
            | "Label" >> beam.ParDo(_Label())
        )


class _Label(beam.DoFn):
    def process(self, message: PubsubMessage, published: Timestamp = beam.DoFn.TimestampParam) -> Iterator[Delivered]:
        received_at = published.to_utc_datetime().replace(tzinfo=UTC)
        yield Delivered(message.data, Delivery(message.message_id, dict(message.attributes or {}), received_at))


class FromFiles(beam.PTransform):
    """Files of one event a line, plain or compressed, local or gs://; read as messages of 500 lines."""

    def __init__(self, pattern: str, now: Clock) -> None:
        super().__init__()
        self._pattern, self._now = pattern, now

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Delivered]:
        """Match, read, cut."""
        return (
            begin
            | "Match" >> MatchFiles(self._pattern)
            | "Open" >> ReadMatches()
            | "Cut" >> beam.FlatMap(messages_of_file, now=self._now)
            # Back-fill of a few large files still uses every worker.
            | "Spread" >> beam.Reshuffle()
        )


def messages_of_file(file: ReadableFile, now: Clock) -> Iterator[Delivered]:
    """The file's lines in messages whose id is the file's name and the number of the first line."""
    with file.open() as lines:
        # Not `for line in lines`: Beam's compressed files cannot be iterated.
        for number, batch in _batches(iter(lines.readline, b"")):
            delivery = Delivery(f"{file.metadata.path}:{number}", {}, now())
            yield Delivered(b"".join(batch), delivery)


def _batches(lines: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    batch: list[bytes] = []
    number = 1
    for count, line in enumerate(lines, 1):
        batch.append(line)
        if len(batch) == LINES_PER_MESSAGE:
            yield number, batch
            batch, number = [], count + 1
    if batch:
        yield number, batch
