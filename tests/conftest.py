"""The option that rewrites the golden files."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make golden` passes this."""
    parser.addoption("--rewrite-golden", action="store_true", help="write what the code gives today into the files")
