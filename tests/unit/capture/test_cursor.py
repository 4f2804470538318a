from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers

from shopstream.capture.cursor import START, Cursor, Position, decode


def test_a_position_survives(tmp_path: Path) -> None:
    Cursor(tmp_path / "a.cursor").advance(Position(3, 4711))
    assert Cursor(tmp_path / "a.cursor").position == Position(3, 4711)
    assert [path.name for path in tmp_path.iterdir()] == ["a.cursor"]
    assert (tmp_path / "a.cursor").stat().st_mode & 0o777 == 0o600


def test_a_new_backend_starts_at_what_is_spooled(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "a.cursor")
    assert cursor.position == START
    assert not cursor.was_corrupt


@given(integers(0, 30))
def test_a_cut_cursor_file_starts_again(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cursor") / "a.cursor"
    Cursor(path).advance(Position(123_456, 123_456_789))
    whole = path.read_bytes()
    path.write_bytes(whole[: min(length, len(whole) - 1)])
    cursor = Cursor(path)
    assert cursor.position == START
    assert cursor.was_corrupt


@given(binary(max_size=40))
def test_a_cursor_file_is_never_misread(content: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode(content)


def test_a_disk_that_takes_nothing_raises_and_the_cursor_moves_in_memory(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "missing" / "a.cursor")
    with pytest.raises(OSError, match="missing"):
        cursor.advance(Position(2, 0))
    assert cursor.position == Position(2, 0)
