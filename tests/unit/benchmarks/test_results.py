"""What benchmarks print, and how the sink recognises what it was sent."""

import base64
import gzip
import json
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks import results
from benchmarks.capture.events import VARIED, events, name_of
from benchmarks.capture.sink import names_in
from benchmarks.results import Goal, render, write


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


def test_every_table_of_a_run_stands_under_its_title() -> None:
    tables = {"Calls": [{"calls": "track", "p50 µs": 10.64}], "Losses": [{"scenario": "exit", "ours": 0}]}
    write("capture", "Capture", tables, [Goal("lost", 0, 1, holds=False)], packages=("orjson",), peers={"posthog": "7"})
    page = render("")
    assert "### Calls\n\n| calls | p50 µs |\n|---|---|\n| track | 10.6 |" in page
    assert "### Losses\n\n| scenario | ours |\n|---|---|\n| exit | 0 |" in page
    assert "| lost | 0 | 1 | **no** |" in page
    assert "Beside: posthog 7." in page


def test_a_run_without_goals_and_peers_has_none_of_their_lines() -> None:
    write("small", "Small", {"One": [{"a": 1}]}, [], packages=())
    assert "Goals" not in render("")
    assert "Beside" not in render("")


def test_a_run_takes_the_place_of_its_section_and_no_other() -> None:
    for name in ("first", "second"):
        write(name, name, {"One": [{"a": 1}]}, [], packages=())
    page = render("")
    assert render(page) == page
    for file in results.RESULTS.iterdir():
        file.unlink()
    write("second", "second", {"One": [{"a": 2}]}, [], packages=())
    again = render(page)
    place = page.index("## second")
    assert again == page[:place] + page[place:].replace("| 1 |", "| 2 |")


def test_events_are_varied_and_about_as_large_as_a_search_with_ten_results() -> None:
    given = events(Random(7))
    assert len({json.dumps(event) for event in given}) == VARIED
    assert 450 < sum(len(json.dumps(event, separators=(",", ":"))) for event in given) / VARIED < 750


@pytest.mark.parametrize(
    "pack",
    [
        lambda body: body,
        gzip.compress,
        lambda body: b"data=" + quote(body).encode(),
        lambda body: b'{"ue_px": "' + base64.urlsafe_b64encode(body).rstrip(b"=") + b'"}',
    ],
)
def test_the_sink_finds_each_event_however_it_is_packed(pack: Any) -> None:
    body = json.dumps([{"query_id": name_of(number), "again": name_of(number)} for number in range(3)]).encode()
    assert names_in(pack(body)) == [name_of(number).encode() for number in range(3)]
