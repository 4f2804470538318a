"""The job's key in Secret Manager, over the wire to a stand-in: what is read, and what is said where it is not."""

import base64
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession

from shopstream.pipeline.flex_template import parameters, read_launch
from shopstream.pipeline.options import PipelineSettings, beam_arguments
from shopstream.pipeline.secret_manager import read_secret
from shopstream.pipeline.tombstones import Tombstones
from shopstream.schemas import SettingsError, Unavailable, read_settings
from shopstream.schemas.erasure import tombstone
from tests.integration.scripted_bigquery import serving
from tests.integration.wire import free_port

NAME = "projects/my-shop-project/secrets/shopstream-privacy-key/versions/latest"
KEY = "a key of at least sixteen\n"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass
class SecretManager:
    """Answers as told."""

    address: str = ""
    status: int = 200
    body: bytes = json.dumps({"name": NAME, "payload": {"data": base64.b64encode(KEY.encode()).decode()}}).encode()
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[SecretManager]:
    script = SecretManager()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.paths.append(self.path)
            self.send_response(script.status)
            self.send_header("Content-Length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        script.address = f"http://127.0.0.1:{port}"
        yield script


def nobodys_session() -> requests.Session:
    return AuthorizedSession(AnonymousCredentials())


def read(address: str) -> str:
    return read_secret(NAME, address, nobodys_session)


def one_user() -> frozenset[str]:
    return frozenset({tombstone("gone", KEY)})


def test_a_worker_reads_the_key_once_and_to_the_byte_and_its_graph_holds_the_name_only(server: SecretManager) -> None:
    tombstones = Tombstones(one_user, partial(read, server.address))
    for _ in range(2):
        tombstones.refresh(NOW)
    assert (tombstones.holds("gone"), tombstones.holds("here")) == (True, False)
    assert server.paths == [f"/v1/{NAME}:access"]
    sent = pickle.dumps(tombstones)
    assert KEY.encode() not in sent
    pickle.loads(sent).refresh(NOW)  # noqa: S301 - our own
    assert len(server.paths) == 2


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (404, b"{}", SettingsError, "is not there: add it"),
        (403, b"{}", SettingsError, "may not be read: grant this account roles/secretmanager.secretAccessor"),
        (400, b"{}", SettingsError, "is refused"),
        (302, b"{}", SettingsError, "is refused"),
        (500, b"{}", Unavailable, "does not answer"),
        (429, b"{}", Unavailable, "does not answer"),
        (200, b"<html>", Unavailable, "cannot be read"),
        (200, b'{"payload": {"data": "***"}}', Unavailable, "cannot be read"),
        (200, b'{"payload": {"data": "c2hvcnQ="}}', SettingsError, "fewer than 16"),
    ],
    ids=["missing", "denied", "destroyed", "elsewhere", "down", "busy", "no JSON", "no base64", "short"],
)
def test_a_key_that_cannot_be_read_is_a_sentence_that_names_it(
    server: SecretManager, status: int, body: bytes, error: type[Exception], said: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(error, match=said) as raised:
        read(server.address)
    assert NAME in str(raised.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        read(f"http://127.0.0.1:{free_port()}")


def test_no_text_of_ours_holds_the_key(server: SecretManager, caplog: pytest.LogCaptureFixture) -> None:
    server.body = json.dumps({"payload": {"data": KEY}}).encode()
    with caplog.at_level("DEBUG"), pytest.raises(Unavailable) as raised:
        read(server.address)
    assert KEY.strip() not in str(raised.value) + caplog.text
    assert raised.value.__suppress_context__


def test_the_job_on_dataflow_takes_the_keys_name_and_no_key() -> None:
    assert "privacy_key_secret" in parameters()
    assert not {"privacy_key", "alert_webhook_url", "alert_webhook_secret"} & set(parameters())
    launch = ["--project=my-shop-project", "--staging_location=gs://my-shop/staging"]
    settings, _ = read_launch([*launch, f"--privacy_key_secret={NAME}"])
    assert settings.privacy_key_secret == NAME
    with pytest.raises(SettingsError, match="PRIVACY_KEY_SECRET"):
        read_launch([*launch, f"--privacy_key_secret={KEY}"])
    cloud = {"GOOGLE_CLOUD_PROJECT": "my-shop-project", "DATAFLOW_STAGING": "gs://my-shop/staging"}
    with pytest.raises(SettingsError, match="name its place in Secret Manager by PRIVACY_KEY_SECRET"):
        beam_arguments(read_settings(PipelineSettings, {**cloud, "PRIVACY_KEY": KEY}), streaming=True)
