"""The topic and the subscription; on Google Cloud Terraform makes them."""

from contextlib import suppress

from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, RetryError
from google.cloud import pubsub_v1

from shopstream.schemas import CloudSettings, Unavailable

_SECONDS = 10.0
ACK_DEADLINE_SECONDS = 10
"""As soon as Pub/Sub allows, what a killed job had pulled comes again."""


def create_topics(settings: CloudSettings, *, duplicate_every: int = 0) -> None:
    """Make the topic and the pipeline's subscription where they are missing.

    With duplicate_every=N our own emulator delivers every Nth message twice, as Pub/Sub sometimes does.

    Raises:
        Unavailable: Pub/Sub does not answer.
    """
    project = settings.google_cloud_project
    try:
        _create(project, settings, duplicate_every)
    except (GoogleAPICallError, RetryError) as error:
        raise Unavailable(
            f"Pub/Sub does not take the topic {settings.pubsub_topic} ({type(error).__name__}); "
            "is PUBSUB_EMULATOR_HOST the address of a running emulator?"
        ) from error


def _create(project: str, settings: CloudSettings, duplicate_every: int) -> None:
    labels = {"fault-duplicate-every": str(duplicate_every)} if duplicate_every else {}
    with pubsub_v1.SubscriberClient() as subscriber:
        publisher = pubsub_v1.PublisherClient()
        topic = publisher.topic_path(project, settings.pubsub_topic)
        subscription = subscriber.subscription_path(project, settings.pubsub_subscription)
        with suppress(AlreadyExists):
            publisher.create_topic(name=topic, timeout=_SECONDS, retry=None)
        with suppress(AlreadyExists):
            subscriber.create_subscription(
                request={
                    "name": subscription,
                    "topic": topic,
                    "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
                    "labels": labels,
                },
                timeout=_SECONDS,
                retry=None,
            )
        publisher.transport.close()
