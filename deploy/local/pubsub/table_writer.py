"""Writes the messages of BigQuery subscriptions to the tables of a BigQuery emulator."""

import asyncio
from collections.abc import Sequence

import requests

from .backlog import Delivery
from .live import Live, Waiter
from .refusal import Refusal, Status
from .table_rows import Column, Row, TableTarget, Unwritable, row_of

_ROWS_AT_ONCE = 500
_BYTES_AT_ONCE = 5_000_000
_LEASE_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_REQUEST_SECONDS = 30.0


class TableWriter:
    """One task a subscription.

    A table that is missing, or a BigQuery that is away, holds the messages back: as with Pub/Sub none of them is
    dead-lettered for it.
    """

    def __init__(self, live: Live, address: str | None) -> None:
        """`address` is that of a BigQuery emulator, http://host:port; without one no such subscription is made."""
        self._live = live
        self._address = address
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def check(self, target: TableTarget) -> None:
        """See that the table is there.

        Raises:
            Refusal: NOT_FOUND where it is not, UNIMPLEMENTED without a BigQuery emulator.
        """
        if self._address is None:
            raise Refusal(Status.UNIMPLEMENTED, "bigquery_config: start this emulator with --bigquery")
        try:
            await asyncio.to_thread(self._columns, target)
        except requests.RequestException:
            raise Refusal(Status.NOT_FOUND, f"bigquery_config.table: {target.table} cannot be found") from None

    def start(self, subscription: str, target: TableTarget) -> None:
        """Write what the subscription has, from now on."""
        self._tasks[subscription] = asyncio.create_task(self._write_all(subscription, target))

    async def stop(self, subscription: str | None = None) -> None:
        """Stop writing for one subscription, or for all."""
        for name in [subscription] if subscription else list(self._tasks):
            if task := self._tasks.pop(name, None):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _write_all(self, subscription: str, target: TableTarget) -> None:
        waiter = Waiter(subscription)
        while True:
            deliveries = self._live.broker.pull(
                subscription,
                self._live.now(),
                max_messages=_ROWS_AT_ONCE,
                max_bytes=_BYTES_AT_ONCE,
                deadline_seconds=_LEASE_SECONDS,
            )
            if deliveries:
                await self._write(subscription, target, deliveries)
            else:
                await self._live.wait(waiter)

    async def _write(self, subscription: str, target: TableTarget, deliveries: Sequence[Delivery]) -> None:
        while True:
            try:
                columns = await asyncio.to_thread(self._columns, target)
                rows, errors = _rows(subscription, target, columns, deliveries)
                await asyncio.to_thread(self._insert, target, list(rows.values()))
                break
            except requests.RequestException:
                await asyncio.sleep(_PAUSE_SECONDS)
        self._live.broker.acknowledge(subscription, self._live.now(), rows)
        for delivery in deliveries:
            if delivery.ack_id in errors:
                self._live.broker.refuse(subscription, self._live.now(), delivery, errors[delivery.ack_id])
        self._live.settle()

    def _columns(self, target: TableTarget) -> list[Column]:
        answer = requests.get(self._place(target), timeout=_REQUEST_SECONDS)
        answer.raise_for_status()
        columns: list[Column] = answer.json()["schema"]["fields"]
        return columns

    def _insert(self, target: TableTarget, rows: Sequence[Row]) -> None:
        if rows:
            body = {"rows": [{"json": row} for row in rows]}
            answer = requests.post(f"{self._place(target)}/insertAll", json=body, timeout=_REQUEST_SECONDS)
            answer.raise_for_status()
            if errors := answer.json().get("insertErrors"):
                # The table is not as it was a moment ago, or a rule of ours is not BigQuery's: held back, and seen.
                raise requests.RequestException(str(errors))

    def _place(self, target: TableTarget) -> str:
        project, dataset, table = target.table.split(".")
        return f"{self._address}/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"


def _rows(
    subscription: str, target: TableTarget, columns: Sequence[Column], deliveries: Sequence[Delivery]
) -> tuple[dict[str, Row], dict[str, str]]:
    """By ack id the rows of those that fit the table, and why the others do not."""
    rows, errors = {}, {}
    for delivery in deliveries:
        try:
            rows[delivery.ack_id] = row_of(delivery.message, subscription, target, columns)
        except Unwritable as error:
            errors[delivery.ack_id] = str(error)
    return rows, errors
