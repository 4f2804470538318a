"""Cloud Storage as the pipeline reaches it."""

from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from shopstream.schemas import CloudSettings


def connect_to_storage(settings: CloudSettings) -> Client:
    """A client of Cloud Storage, or of the emulator where one is named."""
    if settings.storage_emulator_host is None:
        return Client(settings.google_cloud_project)
    return Client(
        settings.google_cloud_project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": settings.storage_emulator_host},
    )
