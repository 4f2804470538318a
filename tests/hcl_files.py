"""Files of HCL as plain values."""

from pathlib import Path
from typing import Any

import hcl2


def read_hcl(path: Path) -> dict[str, Any]:
    """A file's blocks, without the quotes that the parser leaves around names and texts."""
    with path.open() as text:
        return dict(_unquoted(hcl2.load(text)))


def _unquoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unquoted(inner) for inner in value]
    return value.strip('"') if isinstance(value, str) else value
