"""google.pubsub.v1.Subscriber over the broker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
from google.pubsub_v1 import types

from . import resources
from .backlog import Delivery, Window
from .live import Live, Waiter
from .proto import Proto
from .refusal import Refusal
from .rpc import Methods, guarded, page, serialise, unary
from .table_writer import TableWriter

PULL_WAIT_SECONDS = 1.0
"""A pull of an empty subscription answers with nothing after this long, as Pub/Sub does after a longer while.

Short, because Beam's direct runner moves its watermark only between pulls.
"""
MAX_RESPONSE_BYTES = 3_000_000
"""The client's channel to an emulator takes 4 MiB a response; only a single larger message exceeds this."""
MAX_RESPONSE_MESSAGES = 1000


@dataclass
class _Stream:
    """What one StreamingPull asked for."""

    waiter: Waiter
    ack_deadline_seconds: int

    @property
    def subscription(self) -> str:
        return self.waiter.subscription


class Subscriber:
    """Subscriptions, and what they deliver."""

    def __init__(self, live: Live, tables: TableWriter) -> None:
        self._live = live
        self._broker = live.broker
        self._tables = tables

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods there are; gRPC answers UNIMPLEMENTED for the others."""
        methods: Methods = {
            "CreateSubscription": (self._create_subscription, types.Subscription),
            "GetSubscription": (self._get_subscription, types.GetSubscriptionRequest),
            "ListSubscriptions": (self._list_subscriptions, types.ListSubscriptionsRequest),
            "UpdateSubscription": (self._update_subscription, types.UpdateSubscriptionRequest),
            "DeleteSubscription": (self._delete_subscription, types.DeleteSubscriptionRequest),
            "Acknowledge": (self._acknowledge, types.AcknowledgeRequest),
            "ModifyAckDeadline": (self._modify_ack_deadline, types.ModifyAckDeadlineRequest),
            "Pull": (self._pull, types.PullRequest),
        }
        handlers = unary(self._live, methods)
        handlers["StreamingPull"] = grpc.stream_stream_rpc_method_handler(
            guarded(self._live, self._streaming_pull), types.StreamingPullRequest.pb().FromString, serialise
        )
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", handlers)

    async def _create_subscription(self, request: Proto, _: object) -> Proto:
        name = resources.check_name(request.name, "subscriptions", "name")
        resources.check_name(request.topic, "topics", "topic")
        settings = resources.read_subscription(request)
        if settings.target:
            await self._tables.check(settings.target)
        created = self._broker.create_subscription(name, settings)
        if settings.target:
            self._tables.start(name, settings.target)
        return resources.write_subscription(created)

    async def _get_subscription(self, request: Proto, _: object) -> Proto:
        return resources.write_subscription(self._broker.subscription(_subscription(request)))

    async def _list_subscriptions(self, request: Proto, _: object) -> Proto:
        held = self._broker.subscriptions(resources.check_name(request.project, "projects", "project"))
        names, token = page([subscription.name for subscription in held], request)
        protos = [resources.write_subscription(self._broker.subscription(name)) for name in names]
        return types.ListSubscriptionsResponse.pb()(subscriptions=protos, next_page_token=token)

    async def _update_subscription(self, request: Proto, _: object) -> Proto:
        name = resources.check_name(request.subscription.name, "subscriptions", "subscription.name")
        proto = resources.write_subscription(self._broker.subscription(name))
        fixed = resources.FIXED_SUBSCRIPTION_FIELDS
        resources.merge(proto, request.subscription, request.update_mask, fixed)
        settings = resources.read_subscription(proto)
        return resources.write_subscription(self._broker.update_subscription(name, settings))

    async def _delete_subscription(self, request: Proto, _: object) -> None:
        name = _subscription(request)
        await self._tables.stop(name)
        self._broker.delete_subscription(name)

    async def _acknowledge(self, request: Proto, _: object) -> None:
        ack_ids = resources.check_ack_ids(request.ack_ids, "ack_ids")
        self._broker.acknowledge(_subscription(request), self._live.now(), ack_ids)

    async def _modify_ack_deadline(self, request: Proto, _: object) -> None:
        ack_ids = resources.check_ack_ids(request.ack_ids, "ack_ids")
        seconds = resources.check_modified_deadline(request.ack_deadline_seconds, "ack_deadline_seconds")
        self._broker.modify_ack_deadline(_subscription(request), self._live.now(), ack_ids, seconds)

    async def _pull(self, request: Proto, _: object) -> Proto:
        waiter = Waiter(_subscription(request))
        if request.max_messages <= 0:
            raise Refusal.invalid("max_messages", f"{request.max_messages} is not a number from 1")
        limit = min(request.max_messages, MAX_RESPONSE_MESSAGES)
        loop = asyncio.get_running_loop()
        end = loop.time() + (0.0 if request.return_immediately else PULL_WAIT_SECONDS)
        while not (deliveries := self._lease(waiter, limit)) and (left := end - loop.time()) > 0:
            await self._live.wait(waiter, left)
        response = types.PullResponse.pb()()
        self._write(response, waiter.subscription, deliveries)
        return response

    async def _streaming_pull(self, requests: AsyncIterator[Proto], context: grpc.aio.ServicerContext) -> None:
        first = await anext(requests, None)
        if first is None:
            return
        stream = self._open(first)
        reader = asyncio.create_task(self._read(stream, requests))
        # The reader ends when the client is done or did something invalid; either ends the stream.
        reader.add_done_callback(lambda _: stream.waiter.bell.set())
        try:
            while not reader.done():
                if deliveries := self._lease(stream.waiter, MAX_RESPONSE_MESSAGES, stream.ack_deadline_seconds):
                    response = types.StreamingPullResponse.pb()()
                    self._write(response, stream.subscription, deliveries)
                    # Leases were given, so the timer must be set before this coroutine rests.
                    self._live.settle()
                    await context.write(response)
                else:
                    await self._live.wait(stream.waiter)
            await reader
        finally:
            reader.cancel()

    def _open(self, first: Proto) -> _Stream:
        waiter = Waiter(_subscription(first), Window(first.max_outstanding_messages, first.max_outstanding_bytes))
        self._broker.subscription(waiter.subscription)
        seconds = resources.check_ack_deadline(first.stream_ack_deadline_seconds, "stream_ack_deadline_seconds")
        stream = _Stream(waiter, seconds)
        self._settle_acks(stream, first)
        return stream

    async def _read(self, stream: _Stream, requests: AsyncIterator[Proto]) -> None:
        async for request in requests:
            for once in ("subscription", "max_outstanding_messages", "max_outstanding_bytes"):
                if getattr(request, once):
                    raise Refusal.invalid(once, "may be set only in the first request of a stream")
            if request.stream_ack_deadline_seconds:
                stream.ack_deadline_seconds = resources.check_ack_deadline(
                    request.stream_ack_deadline_seconds, "stream_ack_deadline_seconds"
                )
            self._settle_acks(stream, request)
            self._live.settle()

    def _settle_acks(self, stream: _Stream, request: Proto) -> None:
        """Acknowledge and modify what a request of a stream asks for."""
        now = self._live.now()
        modified = resources.check_ack_ids(request.modify_deadline_ack_ids, "modify_deadline_ack_ids")
        acknowledged = resources.check_ack_ids(request.ack_ids, "ack_ids")
        if len(modified) != len(request.modify_deadline_seconds):
            raise Refusal.invalid("modify_deadline_seconds", "is not as long as modify_deadline_ack_ids")
        self._broker.acknowledge(stream.subscription, now, acknowledged)
        for ack_id, asked in zip(modified, request.modify_deadline_seconds, strict=True):
            seconds = resources.check_modified_deadline(asked, "modify_deadline_seconds")
            self._broker.modify_ack_deadline(stream.subscription, now, [ack_id], seconds)

    def _lease(self, waiter: Waiter, limit: int, seconds: int | None = None) -> list[Delivery]:
        return self._broker.pull(
            waiter.subscription,
            self._live.now(),
            max_messages=limit,
            max_bytes=MAX_RESPONSE_BYTES,
            window=waiter.window,
            deadline_seconds=seconds,
        )

    def _write(self, response: Proto, name: str, deliveries: list[Delivery]) -> None:
        with_attempts = self._broker.subscription(name).settings.dead_letter is not None
        resources.write_deliveries(response, deliveries, with_attempts=with_attempts)


def _subscription(request: Proto) -> str:
    return resources.check_name(request.subscription, "subscriptions", "subscription")
