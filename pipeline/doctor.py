"""Is everything the job needs there, and as the contract says?"""

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import pubsub_v1

from shopstream.schemas import Unavailable

from .options import PipelineSettings
from .tables import plan_tables
from .warehouse import connect, unavailable_when_down

_SECONDS = 10.0


def findings(settings: PipelineSettings) -> dict[str, str]:
    """Each part with `ok` or what is wrong with it."""
    return {"subscription": _subscription(settings), "tables": _tables(settings)}


def _subscription(settings: PipelineSettings) -> str:
    with pubsub_v1.SubscriberClient() as client:
        path = client.subscription_path(settings.google_cloud_project, settings.pubsub_subscription)
        try:
            client.get_subscription(subscription=path, timeout=_SECONDS, retry=None)
        except (GoogleAPICallError, RetryError) as error:
            return f"{path}: {type(error).__name__}"
    return "ok"


def _tables(settings: PipelineSettings) -> str:
    try:
        with unavailable_when_down("the check of the tables"):
            wrong = [step for step in plan_tables(connect(settings), settings) if not step.is_as_it_should_be]
    except Unavailable as error:
        return str(error)
    return ", ".join(f"{step.name}: {step.action}" for step in wrong) or "ok"
