"""`shopstream-pipeline instructions`: carry out what people asked for through the console."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.instruction import InstructionOutcome
from shopstream.schemas.logs import log_json

from .cli_parts import repeat, settings_in_force, show
from .cli_privacy import eraser_of
from .clock import utc_now
from .options import PipelineSettings
from .serve_live import LiveServing
from .warehouse import connect

if TYPE_CHECKING:
    from .instructions import Hands


@click.group()
def instructions() -> None:
    """Carry out what people asked for through the console: replays, erasures, consent, hidden products."""


@instructions.command("run")
@click.option("--every", type=click.IntRange(1, 3600), help="Go on, with so many seconds between two looks.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
def run_command(every: int | None, as_json: bool) -> None:
    """Carry out everything that is open, the oldest first. Exit status 1 where something could not be done.

    Example: shopstream-pipeline instructions run --every 30
    """
    from .instructions import run_instructions

    settings = settings_in_force()
    log_json()
    hands = _hands(settings)
    if every is None:
        outcomes = run_instructions(hands)
        _tell(outcomes, as_json)
        if any(outcome.status == "failed" for outcome in outcomes):
            sys.exit(ExitStatus.FOUND)
        return

    def once() -> None:
        if outcomes := run_instructions(hands):
            _tell(outcomes, as_json)

    repeat(once, timedelta(seconds=every))


@instructions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List what is open, without saying whom it is about.

    Example: shopstream-pipeline instructions list
    """
    from .instructions import open_instructions

    settings = settings_in_force()
    waiting = open_instructions(connect(settings), settings, utc_now())
    show(
        [each.model_dump(mode="json", exclude={"user_id"}) for each in waiting],
        as_json,
        lambda: (
            [
                f"{each.asked_at:%Y-%m-%d %H:%M:%S}  {each.kind:12}  {each.key_name:20}  {each.reason}"
                for each in waiting
            ]
            or ["nothing is open"]
        ),
    )


def _hands(settings: PipelineSettings) -> "Hands":
    from .instructions import Hands
    from .jobs import job_of

    return Hands(
        client=connect(settings),
        settings=settings,
        eraser=lambda: eraser_of(settings),
        job=lambda source: job_of(settings, source, utc_now, streaming=False),
        serving=LiveServing(settings, utc_now) if settings.redis_enabled else None,
        now=utc_now,
    )


def _tell(outcomes: Sequence[InstructionOutcome], as_json: bool) -> None:
    from .instructions import outcome_lines

    show([each.model_dump(mode="json") for each in outcomes], as_json, lambda: outcome_lines(list(outcomes)))
