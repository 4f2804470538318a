"""What lies on disk: whole lines, private files, and nothing lost by a crash or a second writer."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopstream.capture.spool_format import Record
from shopstream.schemas import Unavailable

from .far_ends import FarEnd, FileEnd

WRITE = """
import sys
from pathlib import Path
from shopstream.capture.backends.local_file import LocalFile
from shopstream.capture.spool_format import Record
backend = LocalFile(Path(sys.argv[1]))
for batch in range(50):
    fields = b'{"occurred_at":"2026-11-21T13:00:00Z","writer":%s,"pad":"%s","number":%d}'
    backend.send(tuple(
        Record("search", fields % (sys.argv[2].encode(), b"x" * 5000, batch * 10 + number)) for number in range(10)
    ))
"""


@pytest.fixture
def end(make_far_end: Callable[[str], FarEnd]) -> FileEnd:
    far_end = make_far_end("file")
    assert isinstance(far_end, FileEnd)
    return far_end


def documents(records: list[Record]) -> list[bytes]:
    return [record.document for record in records]


def test_files_are_laid_out_by_type_and_day_and_are_private(end: FileEnd, events: Any) -> None:
    end.backend().send((*events.searches(1, occurred_at="2026-11-21T01:00:00+02:00"), events.failed()))
    assert [str(file.relative_to(end.path)) for file in end.files()] == [
        "failed_event/date=2026-11-21/events.ndjson",
        "search/date=2026-11-20/events.ndjson",
    ]
    modes = {path.stat().st_mode & 0o777 for path in [end.path, *end.path.rglob("*")] if path.is_dir()}
    assert modes == {0o700}
    assert {file.stat().st_mode & 0o777 for file in end.files()} == {0o600}


@pytest.mark.parametrize("torn", [b'{"torn', b"x" * 200_000, b"\n\n{", b""], ids=["short", "long", "blank", "none"])
def test_a_torn_line_is_taken_away_before_the_next_is_written(end: FileEnd, events: Any, torn: bytes) -> None:
    before, after = events.searches(2), events.searches(2)
    end.backend().send(tuple(before))
    (file,) = end.files()
    with file.open("ab") as crashed:
        crashed.write(torn)
    end.backend().send(tuple(after))
    lines = [line for line in file.read_bytes().split(b"\n") if line]
    assert lines == documents([*before, *after])


def test_a_file_that_is_one_torn_line_begins_anew(end: FileEnd, events: Any) -> None:
    (one,) = events.searches(1)
    end.backend().send((one,))
    (file,) = end.files()
    file.write_bytes(b"{torn")
    end.backend().send((one,))
    assert file.read_bytes() == one.document + b"\n"


def test_a_disk_that_takes_a_part_leaves_the_file_as_it_was(end: FileEnd, events: Any) -> None:
    before, during = events.searches(5), events.searches(50)
    backend = end.backend()
    backend.send(tuple(before))
    end.begin("full")
    with pytest.raises(Unavailable, match=r"files below .*events: a file has reached the size"):
        backend.send(tuple(during))
    end.end("full")
    (file,) = end.files()
    assert file.read_bytes().splitlines() == documents(before)
    backend.send(tuple(during))
    assert file.read_bytes().splitlines() == documents(before + during)


def test_processes_that_share_a_folder_do_not_mix_their_lines(end: FileEnd) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(end.path), str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    (file,) = end.files()
    lines = file.read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == 4 * 500
    assert {len(line) for line in lines} <= set(range(5050, 5090))


def test_a_folder_that_is_deleted_is_made_again(end: FileEnd, events: Any, tmp_path: Path) -> None:
    backend = end.backend()
    backend.send(tuple(events.searches(1)))
    end.path.rename(tmp_path / "elsewhere")
    second = events.searches(1)
    backend.send(tuple(second))
    assert [line for _, line in end.read()] == documents(second)
