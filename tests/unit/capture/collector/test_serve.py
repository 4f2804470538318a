"""What the collector is made of before it listens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shopstream.capture import CaptureSettings
from shopstream.capture.collector import serve
from shopstream.capture.collector.settings import CollectorSettings
from shopstream.schemas import SettingsError, read_settings
from tests.unit.capture.conftest import Clock, Rig

OPEN = {"CAPTURE_COLLECTOR_OPEN": "true"}


def settings_of(**more: str) -> CollectorSettings:
    return read_settings(CollectorSettings, OPEN | {f"CAPTURE_COLLECTOR_{name}": value for name, value in more.items()})


def test_a_spool_that_is_full_or_no_directory_is_trouble_and_looked_at_once_a_second(
    new_rig: Callable[..., Rig], tmp_path: Path
) -> None:
    rig, clock = new_rig(), Clock()
    settings = CaptureSettings(spool_directory=str(rig.directory), spool_max_bytes=500)
    probe = serve.SpoolProbe(settings, clock)
    assert probe() is None
    for number in range(2):
        rig.track(number, session_id="s" * 200)
    assert probe() is None
    clock.seconds += 1
    assert "of 500 bytes" in str(probe())
    (tmp_path / "file").touch()
    nowhere = CaptureSettings(spool_directory=str(tmp_path / "file" / "spool"))
    assert "Not a directory" in str(serve.SpoolProbe(nowhere, clock)())


@pytest.mark.parametrize("origins", ["*", "https://shop.example", "http://localhost:3000 https://shop.example"])
def test_origins_are_read_one_by_one(origins: str) -> None:
    assert settings_of(ORIGINS=origins).allowed_origins() == tuple(origins.split())


@pytest.mark.parametrize("origins", ["shop.example", "https://shop.example/", "https://a.example,https://b.example"])
def test_what_no_browser_would_send_as_its_origin_is_refused(origins: str) -> None:
    with pytest.raises(SettingsError, match="CAPTURE_COLLECTOR_ORIGINS"):
        settings_of(ORIGINS=origins)
