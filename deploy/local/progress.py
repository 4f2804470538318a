"""Progress people can watch: one line a step, rewritten while it runs on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints `[n/of] title … detail … seconds` for each step."""

    def __init__(self, steps: int, out: TextIO) -> None:
        self._steps, self._out, self._number = steps, out, 0
        self._rewrites = out.isatty()
        self._label = self._detail = ""
        self._last_shown = 0.0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; its detail is set with `show`."""
        self._number += 1
        self._label, self._detail = f"[{self._number}/{self._steps}] {title}", ""
        started = time.monotonic()
        self._write("…", end="\r" if self._rewrites else "\n")
        yield
        self._write(f"{self._detail}  ({time.monotonic() - started:.1f} s)", end="\n")

    def show(self, detail: str) -> None:
        """What the running step has come to."""
        self._detail = detail
        now = time.monotonic()
        # Not a terminal: a line every few seconds shows life without filling a log.
        if now - self._last_shown > (0.1 if self._rewrites else 5.0):
            self._last_shown = now
            self._write(detail, end="\r" if self._rewrites else "\n")

    def _write(self, detail: str, end: str) -> None:
        clear = "\x1b[K" if self._rewrites else ""
        self._out.write(f"{self._label:<34} {detail}{clear}{end}")
        self._out.flush()
