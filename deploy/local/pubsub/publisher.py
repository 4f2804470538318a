"""google.pubsub.v1.Publisher over the broker."""

import asyncio

import grpc
from google.pubsub_v1 import types

from . import resources
from .faults import PublishFault
from .live import Live
from .proto import Proto
from .refusal import Refusal, Status
from .rpc import Methods, page, unary


class Publisher:
    """Topics, and what is published to them."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._broker = live.broker

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods there are; gRPC answers UNIMPLEMENTED for the others."""
        methods: Methods = {
            "CreateTopic": (self._create_topic, types.Topic),
            "GetTopic": (self._get_topic, types.GetTopicRequest),
            "ListTopics": (self._list_topics, types.ListTopicsRequest),
            "UpdateTopic": (self._update_topic, types.UpdateTopicRequest),
            "DeleteTopic": (self._delete_topic, types.DeleteTopicRequest),
            "ListTopicSubscriptions": (self._list_subscriptions, types.ListTopicSubscriptionsRequest),
            "Publish": (self._publish, types.PublishRequest),
        }
        handlers = unary(self._live, methods)
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", handlers)

    async def _create_topic(self, request: Proto, _: object) -> Proto:
        name = resources.check_name(request.name, "topics", "name")
        return resources.write_topic(self._broker.create_topic(name, resources.read_topic(request)))

    async def _get_topic(self, request: Proto, _: object) -> Proto:
        return resources.write_topic(self._broker.topic(_topic(request)))

    async def _list_topics(self, request: Proto, _: object) -> Proto:
        topics = self._broker.topics(resources.check_name(request.project, "projects", "project"))
        names, token = page([topic.name for topic in topics], request)
        protos = [resources.write_topic(self._broker.topic(name)) for name in names]
        return types.ListTopicsResponse.pb()(topics=protos, next_page_token=token)

    async def _update_topic(self, request: Proto, _: object) -> Proto:
        name = resources.check_name(request.topic.name, "topics", "topic.name")
        proto = resources.write_topic(self._broker.topic(name))
        resources.merge(proto, request.topic, request.update_mask, resources.FIXED_TOPIC_FIELDS)
        return resources.write_topic(self._broker.update_topic(name, resources.read_topic(proto)))

    async def _delete_topic(self, request: Proto, _: object) -> None:
        self._broker.delete_topic(_topic(request))

    async def _list_subscriptions(self, request: Proto, _: object) -> Proto:
        names, token = page(self._broker.subscriptions_of(_topic(request)), request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def _publish(self, request: Proto, _: object) -> Proto:
        name = _topic(request)
        faults = self._broker.topic(name).faults
        contents = resources.read_contents(request)
        if faults.delay_seconds:
            await asyncio.sleep(faults.delay_seconds)
        fault = faults.strike()
        if fault is None:
            message_ids = self._broker.publish(name, contents, self._live.now())
            return types.PublishResponse.pb()(message_ids=message_ids)
        if fault is PublishFault.HANG:
            await asyncio.Event().wait()
        if fault is PublishFault.ANSWER_LOST:
            self._broker.publish(name, contents, self._live.now())
            raise Refusal(Status.UNAVAILABLE, f"fault-publish of {name}: stored, and the answer was lost")
        raise Refusal(Status(fault.value), f"fault-publish of {name}: nothing was stored")


def _topic(request: Proto) -> str:
    return resources.check_name(request.topic, "topics", "topic")
