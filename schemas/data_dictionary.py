"""Renders docs/data-dictionary.md and the JSON Schemas from the contract; a test holds the files to it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from .bigquery_schema import Column
from .envelope import Event
from .events import EVENT_TYPES
from .failure import Reason, Stage
from .scrub import SCRUBBED_FIELDS
from .table import Dataset
from .views import ALL_VIEWS, EXPORTS, PEOPLES_VIEWS, View
from .warehouse import ALL_TABLES, FAILED_TABLE, FEATURES, QUALITY_RESULTS, RAW_TABLES, REPLAYS, WarehouseTable

_HEAD = """# Data dictionary

Generated from `schemas/` by `make docs`; do not edit. Datasets are named by the setting `BIGQUERY_DATASET`
(default `shopstream`) and a suffix. People query the views; raw tables may hold an event twice.
"""
_VIEWS_HEAD = """# Views for people

Generated from `schemas/views/*.sql` by `make docs`; do not edit. They lie in the dataset `shopstream`, beside the views
of events and features in the [data dictionary](data-dictionary.md). Who refuses analytics is in none of them, nor are
bots and tests. All but `cohort_retention` have a column with the day of the partition: a condition on it decides how
much is read."""
_SCRUBBED = {RAW_TABLES[event_type].table.name: names for event_type, names in SCRUBBED_FIELDS.items()}
"""By the table they are stored in."""


def render() -> str:
    """The data dictionary as Markdown."""
    return "\n".join(_lines()) + "\n"


def render_views() -> str:
    """The page of the views that are written for people, as Markdown."""
    return "\n".join(_view_pages()) + "\n"


def json_schemas() -> dict[str, str]:
    """The JSON Schema of each event type, by file name, for publishers in other languages."""
    return {f"{event_type}.json": _json_schema(model) for event_type, model in EVENT_TYPES.items()}


def _json_schema(model: type[Event]) -> str:
    schema = model.model_json_schema()
    # A publisher must name the type though our own constructors know it.
    schema["required"] = ["event_type", *schema["required"]]
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Views\n"
    yield from _view_list(ALL_VIEWS)
    yield "\nEvents of closed days lie once more in `shopstream_stable`, each once, in tables with the columns below."
    for title, tables in (
        ("Events", RAW_TABLES.values()),
        ("Failed events", (FAILED_TABLE, REPLAYS)),
        ("Quality", (QUALITY_RESULTS,)),
        ("Features", (table for table in FEATURES.values() if table.table.dataset is Dataset.FEATURES)),
        ("Aggregates", (table for table in FEATURES.values() if table.table.dataset is Dataset.AGGREGATES)),
        ("Privacy", (table for table in ALL_TABLES if table.table.dataset is Dataset.PRIVACY)),
    ):
        yield f"\n## {title}"
        for table in tables:
            yield from _table(table)
    yield "\n## Why an event fails\n"
    yield f"Stages, in the order of the path: {', '.join(f'`{stage}`' for stage in Stage)}.\n"
    yield f"Reasons: {', '.join(f'`{reason}`' for reason in Reason)}."


def _view_list(views: Iterable[View]) -> Iterator[str]:
    yield "| view | one row is |"
    yield "|---|---|"
    for view in views:
        yield f"| `{_place(view.dataset, view.name)}` | {_one_line(view.description)} |"


def _view_pages() -> Iterator[str]:
    yield _VIEWS_HEAD
    yield from _described(PEOPLES_VIEWS)
    yield "\n# Exports\n"
    yield "Events in the shapes of other tools, of shoppers who allow analytics or are not known. What has no place in"
    yield "a shape is left out."
    yield from _described(EXPORTS)


def _described(views: Iterable[View]) -> Iterator[str]:
    for view in views:
        yield f"\n## `{view.name}`\n"
        yield f"{_one_line(view.description)}\n"
        yield f"For {(view.reader or '').removesuffix('.')}.\n"
        yield f"```sql\n{view.example}\n```"


def _table(table: WarehouseTable) -> Iterator[str]:
    place = table.table
    yield f"\n### `{_place(place.dataset, place.name)}`\n"
    yield f"{table.description}\n"
    kept = f"kept {place.expiry_days} days" if place.expiry_days else "kept without limit"
    erased = (
        f"erased by `{place.erase_by}`" if place.erase_by else f"not erased: {place.erasure_exempt or 'about nobody'}"
    )
    clustered = f"clustered by {', '.join(f'`{name}`' for name in place.cluster_by)}; " if place.cluster_by else ""
    yield f"Partitioned by the day of `{place.partition_by}`, {kept}; {clustered}{erased}."
    yield f"Contract `{table.contract}`.\n"
    if scrubbed := _SCRUBBED.get(place.name):
        yield f"Scrubbed of personal data: {', '.join(f'`{name}`' for name in scrubbed)}.\n"
    yield "| column | type | mode | meaning |"
    yield "|---|---|---|---|"
    yield from _columns(table.columns, "")


def _columns(columns: Iterable[Column], prefix: str) -> Iterator[str]:
    for column in columns:
        name = f"{prefix}{column['name']}"
        yield f"| `{name}` | {column['type']} | {column['mode'].lower()} | {_one_line(column['description'])} |"
        yield from _columns(column.get("fields", ()), f"{name}.")


def _place(dataset: Dataset, name: str) -> str:
    return f"shopstream{dataset}.{name}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write(docs: Path) -> None:
    """Write the dictionary and the JSON Schemas into the folder."""
    (docs / "data-dictionary.md").write_text(render())
    (docs / "views.md").write_text(render_views())
    folder = docs / "json-schema"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.json"):
        stale.unlink()
    for name, text in json_schemas().items():
        (folder / name).write_text(text)
