"""`make demo`: the whole pipeline on real grocery orders, on this machine, with one command."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from threading import Event

import click

from deploy.dashboards.page import page
from shopstream.capture import Capture, CaptureSettings, interaction
from shopstream.ml_features.api.settings import ApiSettings
from shopstream.ml_features.charts.rows import rows_of_charts
from shopstream.ml_features.models.evaluate import Comparison
from shopstream.ml_features.settings import FeatureSettings
from shopstream.pipeline.options import PipelineSettings
from shopstream.schemas import SettingsError, Unavailable, read_settings
from shopstream.schemas.exit_status import ExitStatus

from .complete_journey import Basket, baskets, catalogue, hold_back_last
from .console import console
from .features import best_customers, look_after, make_features, recall_at_10
from .insight import print_insight, search_insight
from .progress import Progress
from .report import print_console, print_customers, print_summary
from .simulation import catalogue_events, events_of
from .stack import PROJECT, LocalStack, StackError
from .walk import Walk, Walked
from .wrong_events import KINDS, wrong_event

SEED = 2017
_DUPLICATE_EVERY = 20
_STEPS = 5
_MARK = ".shopstream-demo"
"""The file that says a folder may be emptied."""


@dataclass(frozen=True)
class Input:
    """What the demo sends."""

    give: Callable[[Capture], Iterable[object]]
    held_back: dict[str, Basket]
    """Each household's last basket, which the pipeline does not see; empty for a user's own events."""
    description: str
    wrong_on_purpose: int = 0
    """How many of the events are wrong so that their fate can be seen."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--households", default=450, show_default=True, type=click.IntRange(1), help="How many households.")
@click.option("--days", default=120, show_default=True, type=click.IntRange(1), help="How many days of their orders.")
@click.option("--seed", default=SEED, show_default=True, help="Of the simulated searches and clicks.")
@click.option(
    "--input",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own events instead, one JSON object a line.",
)
@click.option(
    "--directory",
    default=".local/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept; emptied at the start.",
)
@click.option("--serve", is_flag=True, help="Keep everything running, with the console, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON and nothing else.")
def demo(
    *, households: int, days: int, seed: int, file: Path | None, directory: Path, serve: bool, as_json: bool
) -> int:
    """Run the whole pipeline on real grocery orders, or on your own events.

    Orders are those of real households (Complete Journey); the searches and clicks before them are simulated.

    Example: make demo ARGS="--households 50 --days 60"
    """
    started = time.monotonic()
    out = sys.stderr if as_json else sys.stdout
    progress = Progress(_STEPS, out)
    # Before anything is emptied or started.
    for settings in (CaptureSettings, PipelineSettings, FeatureSettings, ApiSettings):
        read_settings(settings, {"GOOGLE_CLOUD_PROJECT": PROJECT, **os.environ, "CAPTURE_SPOOL_DIRECTORY": "spool"})
    _empty(directory)
    with _stack(progress, directory) as stack:
        with progress.step("Read the input"):
            given = _own_events(file) if file else _real_orders(households, days, seed)
            progress.show(given.description)
        with Walk(stack, directory, duplicate_every=_DUPLICATE_EVERY) as walk:
            with progress.step("Capture → Pub/Sub"):
                captured = walk.send(given.give, lambda count: progress.show(f"{count:,} events"))
                progress.show(f"{captured:,} events")
            with progress.step("Streaming job → BigQuery"):
                walked = walk.await_stored(captured, lambda count: progress.show(f"{count:,} of {captured:,} events"))
            features = read_settings(FeatureSettings, walk.environment)
            with progress.step("Feature jobs"):
                as_of = make_features(walk.client, features, datetime.now(UTC), progress.show)
                progress.show(f"as of {as_of}" if as_of else "nothing was bought")
            customers = best_customers(walk.client, features, as_of, datetime.now(UTC)) if as_of else []
            insight = search_insight(walk.client, features, as_of) if as_of else None
            if as_of:
                progress.show("quality and cost")
                look_after(walk.client, walk.settings, datetime.now(UTC))
                progress.show("dashboard")
                first_day = as_of - timedelta(days=features.aggregates_window_days - 1)
                charts = rows_of_charts(walk.client, features, first_day, as_of)
                (directory / "dashboard.html").write_text(page(charts, first_day, as_of), encoding="utf-8")
            recall = recall_at_10(walk.client, features, as_of, given.held_back) if as_of and given.held_back else None
            with console(directory, walk.environment) as address:
                print_customers(customers, out, searches_are="searches" if file else "simulated searches")
                if insight is not None:
                    print_insight(insight, out)
                summary = _summary(given, walked, recall, as_of, time.monotonic() - started)
                (directory / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
                print_summary(summary, walked, directory, out)
                print_console(address, out, is_kept=serve)
                if as_json:
                    click.echo(json.dumps(summary))
                if serve:
                    with suppress(KeyboardInterrupt):
                        Event().wait()
    return ExitStatus.FOUND if walked.lost else 0


def _empty(directory: Path) -> None:
    """Make the folder anew, but never delete one that is not a demo's."""
    if directory.exists() and any(directory.iterdir()) and not (directory / _MARK).exists():
        raise SettingsError(f"--directory: {directory} holds files that are not a demo's; name another folder")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / _MARK).touch()


@contextmanager
def _stack(progress: Progress, directory: Path) -> Iterator[LocalStack]:
    stack = LocalStack(directory, os.environ)
    try:
        with progress.step("Start the local stack"):
            stack.start()
            # Google's Pub/Sub client and Beam's source read the emulator's address from the environment only.
            os.environ.update(stack.environment)
            progress.show(
                f"Pub/Sub {stack.environment['PUBSUB_EMULATOR_HOST']}, "
                f"BigQuery {stack.environment['BIGQUERY_EMULATOR_HOST'].removeprefix('http://')}"
            )
        yield stack
    finally:
        stack.stop()


def _real_orders(households: int, days: int, seed: int) -> Input:
    history, held_back = hold_back_last(baskets(households, days))

    def give(capture: Capture) -> Iterator[object]:
        for fields in chain(catalogue_events(history, catalogue(), seed), events_of(history, seed)):
            yield capture.track(fields)
        example = interaction(action="click", product_id="1", occurred_at="2017-06-01T00:00:00Z", user_id="household-1")
        for kind in range(KINDS):
            yield capture.track_line(wrong_event(kind, example)[1])

    return Input(
        give,
        held_back,
        f"{len(history):,} baskets of {len(held_back):,} households; searches and clicks simulated (seed {seed})",
        wrong_on_purpose=KINDS,
    )


def _own_events(file: Path) -> Input:
    def give(capture: Capture) -> Iterator[object]:
        with file.open("rb") as lines:
            yield from capture.track_lines(lines)

    return Input(give, {}, str(file))


def _summary(
    given: Input, walked: Walked, recall: Comparison | None, as_of: date | None, seconds: float
) -> dict[str, object]:
    return {
        "captured": walked.captured,
        "stored": walked.stored,
        "failed": walked.failed,
        "duplicates_delivered": walked.tally.duplicates_delivered,
        "lost": walked.lost,
        "seconds": round(seconds, 1),
        "as_of": str(as_of) if as_of else None,
        "households_judged": recall.users if recall else 0,
        "recall_at_10": round(recall.ours, 4) if recall else None,
        "recall_at_10_frequency": round(recall.theirs, 4) if recall else None,
        "recall_at_10_gain_interval": [round(recall.low, 4), round(recall.high, 4)] if recall else None,
        "failed_on_purpose": given.wrong_on_purpose,
        "failed_by_reason": dict(walked.tally.failed),
        "stored_by_event_type": dict(walked.tally.stored),
    }


def main() -> None:
    """Entry point: what people can act on is one sentence and an exit status, never a traceback."""
    # SIGTERM unwinds like Ctrl-C, so that what was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(demo(prog_name="make demo", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.SETTINGS)
    except (SettingsError, StackError) as error:
        click.echo(f"\nmake demo: {error}", err=True)
        sys.exit(ExitStatus.SETTINGS)
    except Unavailable as error:
        click.echo(f"\nmake demo: {error}", err=True)
        sys.exit(ExitStatus.UNAVAILABLE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstopped", err=True)
        sys.exit(ExitStatus.STOPPED)


if __name__ == "__main__":
    main()
