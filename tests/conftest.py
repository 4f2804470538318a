"""What every test may use: the option that rewrites golden files, and one local stack a session."""

import os
import signal
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make golden` passes this."""
    parser.addoption("--rewrite-golden", action="store_true", help="write what the code gives today into the files")


def pytest_configure() -> None:
    """Processes that tests start must hear Ctrl-C, even where the tests run in a shell's background, which does not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
