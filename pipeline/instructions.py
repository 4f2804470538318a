"""Carries out what people asked for through the console, in the order they asked, each once.

Whatever breaks off in the middle is done again by the next run, and every kind is the same done twice: a replayed event
keeps its event_id, an erasure is one request until it is done, a decision about consent has the instruction's identity.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import apache_beam as beam
import orjson
from google.cloud import bigquery
from pydantic import ValidationError

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.instruction import Instruction, InstructionKind, InstructionOutcome
from shopstream.schemas.live.hidden_products import (
    HIDDEN_PRODUCTS_EXPIRY_DAYS,
    MOST_HIDDEN_PRODUCTS,
    HiddenProducts,
)
from shopstream.schemas.serving import views
from shopstream.schemas.table import Dataset
from shopstream.schemas.upcast import current_version
from shopstream.schemas.warehouse import HIDDEN_PRODUCTS, INSTRUCTION_OUTCOMES, INSTRUCTIONS, dataset_id

from .clock import Clock
from .erase import Eraser
from .failed import FailedFilter
from .graph import Job
from .options import PipelineSettings
from .replay import Choice, replay, send_round
from .serve_live import ConsentDecision, LiveServing
from .warehouse import ask, store_records, timestamp

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=30)
"""What was asked for longer ago and never carried out is left alone."""
MOST_REPLAYED = 100_000
SOURCE = "console"

Carry = Callable[[Instruction], str]
"""Does one instruction; says what was done. Raises what it cannot do."""


class NotDone(Exception):
    """An instruction cannot be carried out, and will not be by trying again; the text says why."""


@dataclass(frozen=True)
class Hands:
    """Everything instructions are carried out with."""

    client: bigquery.Client
    settings: PipelineSettings
    eraser: Callable[[], Eraser]
    job: Callable[[beam.PTransform], Job]
    serving: LiveServing | None
    now: Clock

    def carry_out(self, instruction: Instruction) -> str:
        """Do it; what was done, in words without a user.

        Raises:
            Unavailable: A server does not answer; the next run tries again.
            NotDone: It cannot be done.
            SettingsError: A setting it needs is missing.
        """
        carry: Mapping[InstructionKind, Carry] = {
            "replay": self._replay,
            "erase": self._erase,
            "consent": self._consent,
            "hide_product": self._hide,
            "show_product": self._hide,
        }
        return carry[instruction.kind](instruction)

    def _replay(self, instruction: Instruction) -> str:
        chosen = FailedFilter(
            stage=instruction.failed_stage,
            reason=instruction.failed_reason,
            field=instruction.failed_field,
            until=instruction.asked_at,
        )
        verdicts = replay(self.client, self.settings, Choice(chosen, MOST_REPLAYED), self.now, job=self.job)
        again, left_out = sum(verdicts.failed.values()), sum(verdicts.left_out.values())
        return f"{verdicts.passed:,} stored, {again:,} failed again, {left_out:,} left out"

    def _erase(self, instruction: Instruction) -> str:
        eraser = self.eraser()
        eraser.request(_named(instruction.user_id, "user"), instruction.instruction_id, self.now())
        done = [each for each in eraser.run(self.now()) if each.request_id == instruction.instruction_id]
        if not done:
            return "was asked for before; `privacy list` has the certificate"
        found = sum(place.found for place in done[0].places)
        remaining = sum(place.remaining for place in done[0].places)
        if remaining:
            return f"{found:,} found, {remaining:,} left for `privacy run`; request {instruction.instruction_id}"
        return f"{found:,} found, nothing left; request {instruction.instruction_id}"

    def _consent(self, instruction: Instruction) -> str:
        user_id, purpose = _named(instruction.user_id, "user"), instruction.purpose
        if purpose is None or instruction.granted is None:
            raise NotDone("it does not say which use is decided about, or what is decided")
        event = {
            "event_id": instruction.instruction_id,
            "event_type": "consent",
            "schema_version": current_version("consent"),
            "occurred_at": instruction.asked_at.isoformat(),
            "source": SOURCE,
            "user_id": user_id,
            "purpose": purpose,
            "granted": instruction.granted,
            "policy_version": SOURCE,
        }
        if failed := send_round([orjson.dumps(event)], self.job, self.now()):
            raise NotDone(f"the decision was refused: {next(iter(failed.values()))}")
        if self.serving is not None:
            self.serving.decide([ConsentDecision(user_id, purpose, instruction.granted, instruction.asked_at)])
        return f"{purpose} {'allowed' if instruction.granted else 'refused'}"

    def _hide(self, instruction: Instruction) -> str:
        user_id, product_id = _named(instruction.user_id, "user"), _named(instruction.product_id, "product")
        before = hidden_products(self.client, self.settings, user_id, self.now())
        is_hidden = instruction.kind == "hide_product"
        others = () if before is None else tuple(each for each in before.product_ids if each != product_id)
        row = HiddenProducts(
            computed_at=self.now(),
            asked_at=instruction.asked_at,
            user_id=user_id,
            product_ids=((product_id, *others) if is_hidden else others)[:MOST_HIDDEN_PRODUCTS],
        )
        store_records(self.client, self.settings, HIDDEN_PRODUCTS, {instruction.instruction_id: row})
        if self.serving is not None and not self.serving.write(views.HIDDEN_PRODUCTS, [row]):
            raise Unavailable("Redis did not take the list of hidden products")
        return f"{len(row.product_ids):,} hidden from the user, for {HIDDEN_PRODUCTS_EXPIRY_DAYS} days"


def run_instructions(hands: Hands) -> list[InstructionOutcome]:
    """Carry out everything that was asked for and has no outcome yet, the oldest first.

    Raises:
        Unavailable: A server does not answer; what was done until then is noted.
        SettingsError: A setting is missing without which nothing can be done.
    """
    if hands.serving is not None and not hands.serving.is_announced(views.HIDDEN_PRODUCTS):
        # A Redis that is new or came back empty: who is not in it would have nothing hidden.
        lists = every_list_of_hidden_products(hands.client, hands.settings, hands.now())
        hands.serving.write(views.HIDDEN_PRODUCTS, lists, announce=True)
    outcomes = []
    for instruction in open_instructions(hands.client, hands.settings, hands.now()):
        try:
            outcome = _outcome(instruction, "done", hands.carry_out(instruction), hands.now())
        except (NotDone, SettingsError) as error:
            outcome = _outcome(instruction, "failed", str(error), hands.now())
        store_records(hands.client, hands.settings, INSTRUCTION_OUTCOMES, {instruction.instruction_id: outcome})
        outcomes.append(outcome)
    return outcomes


def open_instructions(client: bigquery.Client, settings: PipelineSettings, now: datetime) -> list[Instruction]:
    """What has no outcome yet, the oldest first.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    dataset = dataset_id(settings, Dataset.PRIVACY)
    statement = f"""
SELECT * FROM `{dataset}.{INSTRUCTIONS.table.name}`
WHERE asked_at >= @since AND instruction_id NOT IN (
  SELECT instruction_id FROM `{dataset}.{INSTRUCTION_OUTCOMES.table.name}` WHERE ended_at >= @since
)
ORDER BY asked_at, instruction_id"""  # noqa: S608 - our own names
    rows = ask(client, statement, "the instructions", [timestamp("since", now - LOOK_BACK)])
    found: dict[str, Instruction] = {}
    for row in rows:
        try:
            found[row["instruction_id"]] = Instruction.model_validate(row)
        except ValidationError as error:
            # Somebody else wrote it; the others are not to wait for it.
            why = error.errors(include_input=False)[0]["msg"]
            logger.error("an instruction cannot be read", extra={"instruction_id": row["instruction_id"], "why": why})  # noqa: TRY400
    return list(found.values())


def hidden_products(
    client: bigquery.Client, settings: PipelineSettings, user_id: str, now: datetime
) -> HiddenProducts | None:
    """The user's latest list; None where there is none, or its time is over.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    user = bigquery.ScalarQueryParameter("user_id", "STRING", user_id)
    return next(iter(_lists(client, settings, "AND user_id = @user_id", now, user)), None)


def every_list_of_hidden_products(
    client: bigquery.Client, settings: PipelineSettings, now: datetime
) -> list[HiddenProducts]:
    """The latest list of each user.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    return _lists(client, settings, "", now)


def _lists(
    client: bigquery.Client,
    settings: PipelineSettings,
    condition: str,
    now: datetime,
    *given: Any,  # noqa: ANN401
) -> list[HiddenProducts]:
    place = f"{dataset_id(settings, Dataset.FEATURES)}.{HIDDEN_PRODUCTS.table.name}"
    statement = (
        f"SELECT * FROM `{place}` WHERE computed_at >= @since {condition} "  # noqa: S608 - our own words
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY asked_at DESC, computed_at DESC) = 1"
    )
    since = timestamp("since", now - timedelta(days=HIDDEN_PRODUCTS_EXPIRY_DAYS))
    return [
        HiddenProducts.model_validate(row | {"product_ids": tuple(row["product_ids"] or ())})
        for row in ask(client, statement, place, [since, *given])
    ]


def outcome_lines(outcomes: list[InstructionOutcome]) -> list[str]:
    """The outcomes for people."""
    lines = [f"{each.status:6}  {each.kind:12}  {each.key_name:20}  {each.detail}" for each in outcomes]
    return lines or ["nothing was asked for"]


def _outcome(
    instruction: Instruction, status: Literal["done", "failed"], detail: str, now: datetime
) -> InstructionOutcome:
    return InstructionOutcome(
        ended_at=now,
        instruction_id=instruction.instruction_id,
        asked_at=instruction.asked_at,
        key_name=instruction.key_name,
        role=instruction.role,
        kind=instruction.kind,
        status=status,
        detail=detail,
    )


def _named(value: str | None, what: str) -> str:
    if value is None:
        raise NotDone(f"it names no {what}")
    return value
