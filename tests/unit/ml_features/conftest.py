"""What tests of the model tier need."""

import os

import pytest


@pytest.fixture(scope="session")
def lightgbm_loads() -> None:
    try:
        import lightgbm  # noqa: F401
    except OSError as error:  # .ci/run installs what it needs
        if "CI" in os.environ:
            raise
        pytest.skip(f"LightGBM cannot be loaded: {error}")
