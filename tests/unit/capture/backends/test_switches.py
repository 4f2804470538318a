import re
from datetime import UTC, datetime

import pytest

from shopstream.capture import CaptureSettings
from shopstream.capture.backends import SWITCHES, RefusedInPart, backends_on
from shopstream.schemas import Reason, Rejected, SettingsError, read_settings

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NONE_ON = {"CAPTURE_SPOOL_DIRECTORY": "spool", "CAPTURE_PUBSUB_ENABLED": "false"}
ALL_ON = {
    **NONE_ON,
    **{f"CAPTURE_{name.upper()}_ENABLED": "true" for name in SWITCHES},
    "GOOGLE_CLOUD_PROJECT": "shopstream-test",
    "CAPTURE_STORAGE_BUCKET": "a-bucket",
    "CAPTURE_FILE_PATH": "events",
}


def names_on(environ: dict[str, str]) -> list[str]:
    return list(backends_on(read_settings(CaptureSettings, environ), environ, now=lambda: NOW))


def test_every_backend_has_a_switch_and_every_switch_a_backend() -> None:
    switches = {name.removesuffix("_enabled") for name in CaptureSettings.model_fields if name.endswith("_enabled")}
    assert switches == set(SWITCHES) | {"metrics"}  # The one switch that is no backend's.
    assert names_on(NONE_ON) == []
    assert names_on(ALL_ON) == list(SWITCHES)


def test_only_pubsub_is_on_by_default() -> None:
    environ = {"CAPTURE_SPOOL_DIRECTORY": "spool", "GOOGLE_CLOUD_PROJECT": "shopstream-test"}
    assert names_on(environ) == ["pubsub"]


@pytest.mark.parametrize("name", SWITCHES)
def test_each_is_switched_on_alone(name: str) -> None:
    assert names_on(ALL_ON | {f"CAPTURE_{other.upper()}_ENABLED": "false" for other in SWITCHES if other != name}) == [
        name
    ]


@pytest.mark.parametrize("variable", ["CAPTURE_STORAGE_BUCKET", "CAPTURE_FILE_PATH", "GOOGLE_CLOUD_PROJECT"])
def test_a_setting_that_is_missing_is_named(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not set"):
        names_on({name: value for name, value in ALL_ON.items() if name != variable})


@pytest.mark.parametrize("url", ["http://:hunter2@redis:6379", "redis://:hunter2@redis:port"])
def test_a_wrong_address_of_redis_is_told_at_start_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=re.escape("REDIS_URL has a value it does not accept")) as raised:
        names_on(ALL_ON | {"REDIS_URL": url})
    assert "hunter2" not in str(raised.value)


def test_only_cloud_storage_waits_longer_than_the_others() -> None:
    settings = read_settings(CaptureSettings, ALL_ON)
    waits = {name: on.batch_seconds for name, on in backends_on(settings, ALL_ON, now=lambda: NOW).items()}
    assert waits == dict.fromkeys(SWITCHES) | {"storage": 60.0}


def test_a_refusal_in_part_tells_the_first_reason_to_who_looks_no_further() -> None:
    first = Rejected(Reason.ROW_REFUSED, "the row is refused", field="query")
    refusal = RefusedInPart({3: first, 5: Rejected(Reason.TOO_LARGE, "the row is too large")})
    assert (refusal.reason, refusal.detail, refusal.field) == (first.reason, first.detail, first.field)
    assert list(refusal.refusals) == [3, 5]
