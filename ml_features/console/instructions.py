"""What somebody asks the pipeline to do: checked, and written into a table that its own command carries out."""

from datetime import datetime
from functools import partial
from random import SystemRandom

from fastapi import Request, Response
from pydantic import ValidationError

from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.identifiers import make_event_id
from shopstream.schemas.instruction import Instruction
from shopstream.schemas.scrub import scrub
from shopstream.schemas.warehouse import INSTRUCTIONS, dataset_id

from ..api.keys import ApiKey
from ..warehouse import insert_rows
from .console import HOME, Console, own_path, redirect

_FIELDS = ("kind", "user_id", "product_id", "purpose", "granted", "failed_stage", "failed_reason", "failed_field")
_CONFIRMED = "yes"


class Instructions:
    """Takes the forms that ask for something."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def ask_for(self, request: Request) -> Response:
        """Write it down, and go back."""
        form = await self._console.form(request)
        desk = self._console.desk
        instruction = _instruction(form, request.state.key, desk.clock.now())
        if instruction.user_id is not None:
            self._console.note_look(request, request.state.key, (instruction.user_id,))
        place = f"{dataset_id(desk.settings, INSTRUCTIONS.table.dataset)}.{INSTRUCTIONS.table.name}"
        await desk.apart(partial(insert_rows, desk.client, place, [instruction.model_dump(mode="json")]))
        self._console.figures.forget()
        return redirect(f"{own_path(form.get('back', HOME))}?notice=asked")


def _instruction(form: dict[str, str], key: ApiKey, now: datetime) -> Instruction:
    if form.get("kind") == "erase" and form.get("repeated") != form.get("user_id"):
        raise Refusal(422, "not_confirmed", "nothing was done: to erase a customer, type the user_id once more")
    if form.get("kind") in ("replay", "consent") and form.get("confirmed") != _CONFIRMED:
        raise Refusal(422, "not_confirmed", "nothing was done: tick the box that says you mean it")
    given: dict[str, object] = {name: form[name] for name in _FIELDS if form.get(name)}
    if "granted" in given:
        given["granted"] = {"true": True, "false": False}.get(form["granted"])
    try:
        return Instruction.model_validate(
            {
                **given,
                "reason": scrub(form.get("reason", "").strip())[:500],
                "asked_at": now,
                "instruction_id": make_event_id(now, SystemRandom()),
                "key_name": key.name,
                "role": key.role,
            }
        )
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()}))
        raise Refusal(422, "invalid_form", f"nothing was done: look again at {wrong}") from None
