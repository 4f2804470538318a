"""A secret of Secret Manager, read by the worker that needs it with its own account.

So its value stands in no parameter of the job and in no part of its graph, where whoever may see the job sees them.
"""

import base64
from collections.abc import Callable
from http import HTTPStatus

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession

from shopstream.schemas import SettingsError, Unavailable

from .options import LEAST_KEY_CHARACTERS

ADDRESS = "https://secretmanager.googleapis.com"
_SECONDS = 10.0
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_WHAT_TO_DO: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "may not be read: grant this account roles/secretmanager.secretAccessor on the secret",
    HTTPStatus.NOT_FOUND: "is not there: add it with `gcloud secrets versions add`",
}


def as_this_account() -> requests.Session:
    """A session that signs requests as the account this process runs as."""
    credentials, _ = google.auth.default([_SCOPE])
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


def read_secret(name: str, address: str = ADDRESS, session: Callable[[], requests.Session] = as_this_account) -> str:
    """The value of projects/…/secrets/…/versions/…, to the byte: Cloud Run hands other commands the same.

    Raises:
        Unavailable: Secret Manager does not answer.
        SettingsError: The secret is not there, may not be read or is no key.
    """
    try:
        with session() as opened:
            answer = opened.get(f"{address}/v1/{name}:access", timeout=_SECONDS, allow_redirects=False)
    except (requests.RequestException, TransportError, RefreshError) as error:
        raise Unavailable(f"Secret Manager does not answer for {name}: {type(error).__name__}") from error
    except GoogleAuthError as error:
        raise SettingsError(f"{name} cannot be read without credentials: see GOOGLE_APPLICATION_CREDENTIALS") from error
    status = answer.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"Secret Manager does not answer for {name}: {status}")
    if status != HTTPStatus.OK:
        raise SettingsError(f"{name} {_WHAT_TO_DO.get(status, 'is refused')} (Secret Manager answered {status})")
    try:
        value = base64.b64decode(answer.json()["payload"]["data"], validate=True).decode()
    except (ValueError, KeyError, TypeError):
        # Without the cause, which would quote the answer.
        raise Unavailable(f"Secret Manager gave an answer for {name} that cannot be read") from None
    if len(value) < LEAST_KEY_CHARACTERS:
        raise SettingsError(f"{name} has fewer than {LEAST_KEY_CHARACTERS} characters")
    return value
