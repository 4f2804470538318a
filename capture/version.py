"""Which code this is, for the records it leaves."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def code_version() -> str:
    """The installed version of Shopstream."""
    try:
        return version("shopstream")
    except PackageNotFoundError:
        return "unknown"
