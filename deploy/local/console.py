"""The demo's console: the serving API over what the demo made, with a read-only key."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from shopstream.ml_features.api.keys import new_key

from .stack import StackError, beside_python, start_part

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_LISTENING = re.compile(r"^listening on (\S+)$", re.MULTILINE)


@contextmanager
def console(directory: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Its address, with the key behind a # that no server sees; served until the end.

    Raises:
        StackError: It does not start.
    """
    text, key = new_key("demo", "read", None, SystemRandom())
    variables = {"SERVING_API_PORT": "0", **environment, "SERVING_API_KEYS": key.line()}
    part = start_part("console", [str(beside_python("shopstream-features")), "serve"], directory, variables)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while (found := _LISTENING.search(part.log.read_text())) is None:
            if part.process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the console did not start; see {part.log}")
            time.sleep(_POLL_SECONDS)
        yield f"{found[1]}/console#{text}"
    finally:
        part.stop()
