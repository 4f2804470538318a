"""The landing table and the subscription that writes to it; on Google Cloud Terraform makes both."""

from google.cloud import bigquery, pubsub_v1

from shopstream.pipeline.warehouse import REQUEST_SECONDS
from shopstream.schemas import CloudSettings
from shopstream.schemas.landing import LANDING_COLUMNS, PUBLISHED_AT, landing_table_id

DELIVERY_ATTEMPTS = 5
"""As few as Pub/Sub allows before a message is dead-lettered."""


def create_landing(client: bigquery.Client, settings: CloudSettings) -> str:
    """Make the landing table, its subscription, and a dead-letter topic with a subscription to it.

    Gives the path of the latter.
    """
    name = landing_table_id(settings)
    client.create_dataset(name.rpartition(".")[0], timeout=REQUEST_SECONDS, retry=None)
    resource = bigquery.Table(name, schema=[bigquery.SchemaField.from_api_repr(column) for column in LANDING_COLUMNS])
    resource.time_partitioning = bigquery.TimePartitioning(field=PUBLISHED_AT)
    client.create_table(resource, timeout=REQUEST_SECONDS, retry=None)
    project, topic = settings.google_cloud_project, settings.pubsub_topic
    publisher = pubsub_v1.PublisherClient()
    with pubsub_v1.SubscriberClient() as subscriber:
        dead_letter = publisher.topic_path(project, f"{topic}-dead-letter")
        dead = subscriber.subscription_path(project, f"{topic}-dead-letter")
        publisher.create_topic(name=dead_letter)
        subscriber.create_subscription(request={"name": dead, "topic": dead_letter})
        subscriber.create_subscription(
            request={
                "name": subscriber.subscription_path(project, f"{topic}-landing"),
                "topic": publisher.topic_path(project, topic),
                "bigquery_config": {
                    "table": name,
                    "use_table_schema": True,
                    "write_metadata": True,
                    "drop_unknown_fields": True,
                },
                "dead_letter_policy": {"dead_letter_topic": dead_letter, "max_delivery_attempts": DELIVERY_ATTEMPTS},
            }
        )
    publisher.transport.close()
    return str(dead)
