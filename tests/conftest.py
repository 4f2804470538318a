"""What every test may use: the option that rewrites golden files, and one local stack a session."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory, under pytest's own unguessable names
MEMORY_BYTES = 4 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make golden` passes this."""
    parser.addoption("--rewrite-golden", action="store_true", help="write what the code gives today into the files")


def pytest_configure() -> None:
    """Files in memory where there is room; and processes hear Ctrl-C, though in a shell's background they would not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # BigQuery's emulator and the spool wait for the disk at each of their thousand commits; no test pulls the plug.
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files first, which are those that need the emulators: the quick ones fill what a process has left."""
    items.sort(key=lambda item: "stack" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The emulators as processes; what the environment names is used instead."""
    with LocalStack(tmp_path_factory.mktemp("stack"), os.environ) as running:
        before = dict(os.environ)
        # Google's Pub/Sub client and Beam's source read the emulator's address from the environment only.
        os.environ.update(running.environment)
        yield running
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def lightgbm_loads() -> None:
    """For tests of the model tier: skipped where the library LightGBM needs is not there, but never in CI."""
    try:
        import lightgbm  # noqa: F401
    except OSError as error:  # .ci/run installs what it needs
        if "CI" in os.environ:
            raise
        pytest.skip(f"LightGBM cannot be loaded: {error}")
