"""Erases users from everything this command can reach, looks again, and certifies it with counts.

A request is a row; every run works on all that are open, so it can be interrupted, and repeated until nothing is left.
"""

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.cloud import bigquery
from google.cloud.storage import Client as StorageClient

from shopstream.schemas import SettingsError
from shopstream.schemas.erasure import ErasedPlace, Erasure, tombstone
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import ERASED_NUMBERS, ERASURES, dataset_id

from .options import PipelineSettings
from .personal_objects import find_lines, take_out
from .personal_rows import (
    STREAMED_ROWS_STAY,
    Person,
    PersonalTable,
    count_rows,
    deletable,
    delete_rows,
    find_person,
    parameters,
    personal_tables,
    recent_users,
)
from .warehouse import REQUEST_SECONDS, ask, timestamp, unavailable_when_down

TIME_TRAVEL_HOURS = 168
"""BigQuery's own, where a dataset does not say otherwise."""

RETURNED_DAYS = 9
"""Jobs compute tables by day for eight days."""

Elsewhere = Callable[[str], Mapping[str, tuple[int, int]]]
"""Erases a user where another room's command must: by place what was found and what is left."""


@dataclass(frozen=True)
class Eraser:
    """What erasing needs."""

    client: bigquery.Client
    settings: PipelineSettings
    storage: StorageClient | None = None
    """None where no bucket is named."""
    elsewhere: Elsewhere = lambda _: {}
    report: Callable[[str], None] = lambda _: None

    @property
    def key(self) -> str:
        """PRIVACY_KEY.

        Raises:
            SettingsError: It is not set.
        """
        if self.settings.privacy_key is None:
            raise SettingsError("PRIVACY_KEY is not set: without it an erased user could come back unrecognised")
        return self.settings.privacy_key.get_secret_value()

    def request(self, user_id: str, request_id: str, now: datetime) -> None:
        """Ask for the user to be erased; from the next minute the job lets no event of the user in.

        Asked for twice it is still one request, until that is done.

        Raises:
            Unavailable: BigQuery does not answer.
            SettingsError: PRIVACY_KEY is not set.
        """
        asked = Erasure(
            request_id=request_id, tombstone=tombstone(user_id, self.key), user_id=user_id, requested_at=now
        )
        if any(each.tombstone == asked.tombstone for each in self.open_requests()):
            return
        # Not streamed in: the row will be changed.
        ask(
            self.client,
            f"INSERT INTO `{_erasures(self.settings)}` (request_id, tombstone, user_id, requested_at) "  # noqa: S608
            "VALUES (@request_id, @tombstone, @user_id, @requested_at)",
            "the request",
            [
                *(_text(name, getattr(asked, name)) for name in ("request_id", "tombstone", "user_id")),
                timestamp("requested_at", now),
            ],
        )

    def open_requests(self) -> list[Erasure]:
        """The requests that are not done.

        Raises:
            Unavailable: BigQuery does not answer.
        """
        return [request for request in self.requests() if request.user_id is not None]

    def requests(self) -> list[Erasure]:
        """Every request there was, the certificates of those that are done.

        Raises:
            Unavailable: BigQuery does not answer.
        """
        place = _erasures(self.settings)
        rows = ask(self.client, f"SELECT * FROM `{place}` ORDER BY requested_at, request_id", place)  # noqa: S608
        return [_erasure(row) for row in rows]

    def returned_users(self) -> list[str]:
        """Erased users of whom there are rows of the last days: by capture's direct backend, or a job that had begun.

        Raises:
            Unavailable: BigQuery does not answer.
            SettingsError: PRIVACY_KEY is not set.
        """
        known = {request.tombstone for request in self.requests()}
        if not known:
            return []
        users = recent_users(self.client, personal_tables(self.settings), RETURNED_DAYS)
        return [user for user in users if tombstone(user, self.key) in known]

    def run(self, now: datetime) -> list[Erasure]:
        """Work on every open request; each as it stands then, done where nothing is left.

        Raises:
            Unavailable: BigQuery or Cloud Storage does not answer; running again goes on.
        """
        requests = self.open_requests()
        if not requests:
            return []
        tables = personal_tables(self.settings)
        persons = [self._person(tables, request) for request in requests]
        before = [self._look(tables, person) for person in persons]
        for each in tables:
            if any(found[each.place] for found in before):
                self.report(f"{each.place}: {sum(found[each.place] for found in before):,} rows")
                self._note_numbers(each, persons, now)
                delete_rows(self.client, each, persons, now)
        for bucket in buckets(self.settings):
            if self.storage is not None:
                take_out(self.storage, bucket, persons, self.report)
        answered = [self.elsewhere(person.user_id) for person in persons]
        after = [self._look(tables, person) for person in persons]
        return [
            self._record(request, _places(found, left, other), now)
            for request, found, left, other in zip(requests, before, after, answered, strict=True)
        ]

    def _person(self, tables: Sequence[PersonalTable], request: Erasure) -> Person:
        """The user with all sessions there are and were: once signed rows are gone, nothing else tells of them."""
        found = find_person(self.client, tables, str(request.user_id))
        sessions = sorted({*found.session_ids, *request.session_ids})
        if sessions != sorted(request.session_ids):
            named = bigquery.ArrayQueryParameter("session_ids", "STRING", sessions)
            self._change(request, "session_ids = @session_ids", [named])
        return Person(found.user_id, tuple(sessions))

    def _look(self, tables: Sequence[PersonalTable], person: Person) -> Tally[str]:
        found = Tally(count_rows(self.client, tables, person))
        for bucket in buckets(self.settings):
            if self.storage is not None:
                found[f"gs://{bucket}"] = sum(1 for _ in find_lines(self.storage, bucket, person))
        return found

    def _note_numbers(self, each: PersonalTable, persons: Sequence[Person], now: datetime) -> None:
        """Before rows go, keep the numbers capture gave them, so that the ledger does not take them for lost."""
        if "sequence" not in each.columns:
            return
        place = f"{dataset_id(self.settings, Dataset.PRIVACY)}.{ERASED_NUMBERS.table.name}"
        statement = (
            f"INSERT INTO `{place}` (writer_id, sequence, erased_at) "  # noqa: S608 - names of our own
            f"SELECT DISTINCT writer_id, sequence, TIMESTAMP '{now.isoformat()}' FROM `{each.place}` "
            f"WHERE writer_id IS NOT NULL AND sequence IS NOT NULL AND {deletable(each)}"
        )
        ask(self.client, statement, place, parameters(persons, statement, now - STREAMED_ROWS_STAY))

    def _record(self, request: Erasure, places: Sequence[ErasedPlace], now: datetime) -> Erasure:
        """What the request has come to; without the user_id where nothing is left."""
        # What an earlier run left is found again by this one, and counts once.
        earlier = {place.place: place.found - place.remaining for place in request.places}
        merged = tuple(
            place.model_copy(update={"found": place.found + earlier.get(place.place, 0)}) for place in places
        )
        is_done = not any(place.remaining for place in merged)
        changes: dict[str, Any] = {"places": merged, "time_travel_hours": self._time_travel_hours()}
        if is_done:
            changes |= {"user_id": None, "session_ids": (), "done_at": now}
        after = request.model_copy(update=changes)
        places = [
            bigquery.StructQueryParameter(
                None, _text("place", place.place), _whole("found", place.found), _whole("remaining", place.remaining)
            )
            for place in merged
        ]
        self._change(
            request,
            "places = @places, time_travel_hours = @hours, user_id = @user_id, done_at = @done_at"
            + (", session_ids = []" if is_done else ""),
            [
                bigquery.ArrayQueryParameter("places", "RECORD", places),
                _whole("hours", after.time_travel_hours),
                _text("user_id", after.user_id),
                bigquery.ScalarQueryParameter("done_at", "TIMESTAMP", after.done_at),
            ],
        )
        return after

    def _change(self, request: Erasure, what: str, parameters: Sequence[Any]) -> None:
        statement = f"UPDATE `{_erasures(self.settings)}` SET {what} WHERE request_id = @request_id"  # noqa: S608
        ask(self.client, statement, "the request", [*parameters, _text("request_id", request.request_id)])

    def _time_travel_hours(self) -> int:
        hours = []
        for dataset in Dataset:
            with unavailable_when_down(dataset):
                found = self.client.get_dataset(dataset_id(self.settings, dataset), timeout=REQUEST_SECONDS, retry=None)
            hours.append(int(found.max_time_travel_hours or TIME_TRAVEL_HOURS))
        return max(hours)


def buckets(settings: PipelineSettings) -> list[str]:
    """The buckets that hold events, by the settings."""
    named = [settings.failed_events_bucket, *settings.erase_buckets.split(",")]
    return sorted({name for name in named if name})


def _places(
    found: Mapping[str, int], left: Mapping[str, int], other: Mapping[str, tuple[int, int]]
) -> list[ErasedPlace]:
    here = [ErasedPlace(place=place, found=count, remaining=left[place]) for place, count in found.items()]
    there = [ErasedPlace(place=place, found=was, remaining=remains) for place, (was, remains) in other.items()]
    return here + there


def _erasures(settings: PipelineSettings) -> str:
    return f"{dataset_id(settings, Dataset.PRIVACY)}.{ERASURES.table.name}"


def _erasure(row: Mapping[str, Any]) -> Erasure:
    places = tuple(ErasedPlace(**place) for place in row["places"] or ())
    return Erasure(**{**row, "places": places, "session_ids": tuple(row["session_ids"] or ())})


def _text(name: str, value: str | None) -> Any:  # noqa: ANN401 - the client is untyped
    return bigquery.ScalarQueryParameter(name, "STRING", value)


def _whole(name: str, value: int | None) -> Any:  # noqa: ANN401 - as above
    return bigquery.ScalarQueryParameter(name, "INT64", value)
