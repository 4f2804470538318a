"""Views in files: a header says what one row is, whom it is for, and gives an example; then comes the query."""

import re
from importlib.resources import files

from ..table import Dataset
from .view import View

_HEADER = re.compile(r"\A-- One row is: (?P<row>.+)\n-- For: (?P<reader>.+)\n-- Example: (?P<example>.+)\n(?=\S)")


def view_in_file(name: str) -> View:
    """The view of NAME.sql.

    Raises:
        ValueError: The file does not begin with the three lines of its header.
    """
    text = (files(__package__) / f"{name}.sql").read_text(encoding="utf-8").strip()
    header = _HEADER.match(text)
    if header is None:
        raise ValueError(f"schemas/views/{name}.sql does not begin with `-- One row is:`, `-- For:` and `-- Example:`")
    return View(
        name,
        Dataset.VIEWS,
        f"One row is {header['row']}",
        text[header.end() :],
        reader=header["reader"],
        example=header["example"],
    )
