"""One customer: what happened, what is known, what is predicted and why, and what may be done."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from pydantic import ValidationError

from shopstream.schemas.decision import Decision
from shopstream.schemas.features import next_in_words
from shopstream.schemas.http.answers import Refusal
from shopstream.schemas.serving.views import (
    CONSENTS,
    HIDDEN_PRODUCTS,
    PERSONAS,
    PRODUCTS,
    PROFILES,
)
from shopstream.schemas.table import PURPOSES

from ..api.users import UserId
from ..consent import allows, decided
from ..decisions.gather import bought_of
from ..decisions.reasons import BOUGHT_ALIKE, why_bought
from ..decisions.recommender import kept_decision
from ..decisions.trace import decided_again
from ..reader import Features
from ..serving.answer import answered
from ..warehouse import Parameter, Row
from .console import HOME, Console, redirect

STEPS = 200
_JOURNEY = """
SELECT * FROM (
  SELECT occurred_at, session_id, 'search' AS what, normalised_query AS subject,
    CAST(total_results AS STRING) AS detail
  FROM `{views}.searches` WHERE user_id = @user_id AND received_at >= @since
  UNION ALL
  SELECT occurred_at, session_id, action, product_id, CAST(position AS STRING)
  FROM `{views}.interactions` WHERE user_id = @user_id AND received_at >= @since
  UNION ALL
  SELECT occurred_at, session_id, CONCAT('order ', status), order_id,
    FORMAT('%.2f %s', CAST(total_amount AS FLOAT64), currency)
  FROM `{views}.orders` WHERE user_id = @user_id AND received_at >= @since
  UNION ALL
  SELECT occurred_at, session_id, 'conversation', provider, CAST(duration_ms AS STRING)
  FROM `{views}.voice_conversations` WHERE user_id = @user_id AND received_at >= @since
)
ORDER BY occurred_at DESC, what
LIMIT 201"""
_CONSENT = """
SELECT purpose, granted, policy_version, from_at, until_at
FROM `{views}.consent_periods`
WHERE user_id = @user_id
ORDER BY from_at DESC
LIMIT 50"""
_DECISIONS = """
SELECT decision_id, decided_at, kind, model_version, persona, items
FROM `{views}.decisions`
WHERE user_id = @user_id AND decided_at >= @since
ORDER BY decided_at DESC
LIMIT 20"""
_ASKED_FOR = """
SELECT asked.asked_at, asked.kind, asked.key_name, asked.reason, asked.product_id, asked.purpose, asked.granted,
  outcomes.ended_at, outcomes.status, outcomes.detail
FROM `{privacy}.instructions` AS asked
LEFT JOIN `{privacy}.instruction_outcomes` AS outcomes ON outcomes.instruction_id = asked.instruction_id
WHERE asked.user_id = @user_id AND asked.asked_at >= @since
ORDER BY asked.asked_at DESC
LIMIT 50"""


class Customers:
    """The pages about one customer."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def find(self, request: Request, user_id: str = "") -> Response:
        """Ask for whom, or go there."""
        if user_id.strip():
            return redirect(f"{HOME}/customers/{quote(user_id.strip(), safe='')}")
        return self._console.show(request, "customers.html", {"title": "Customers"})

    async def customer(self, request: Request, user_id: UserId) -> Response:
        """Everything that is known of a customer who allows it. The look-up is kept."""
        figures = await self._console.read(
            ("customer", user_id),
            {
                "consent": partial(self._of, _CONSENT, user_id, None),
                "known": partial(self._known, user_id),
                "journey": partial(self._journey, user_id),
                "decisions": partial(self._decisions, user_id),
                "asked_for": partial(self._of, _ASKED_FOR, user_id, 30),
            },
        )
        values = {"title": user_id, "user_id": user_id, "purposes": PURPOSES, "steps": STEPS, **figures}
        return self._console.show(request, "customer.html", values)

    async def decision(self, request: Request, decision_id: str) -> Response:
        """One list that was served, and the same decided again."""
        desk = self._console.desk
        found = await desk.apart(partial(kept_decision, desk.client, desk.settings, decision_id))
        if found is None:
            raise Refusal(404, "not_found", "there is no such decision, or no more: they are kept for 90 days")
        if found.user_id is not None:
            self._console.note_look(request, request.state.key, (found.user_id,))
        values = {"title": f"Decision {decision_id[:8]}", "decision": found, "again": _again(found)}
        return self._console.show(request, "decision.html", values)

    def _known(self, user_id: str) -> dict[str, Any]:
        """What the reader says, as far as the customer allows it."""
        store = self._console.desk.patient_store
        reorders = answered(Features(store, self._console.desk.settings).reorders(user_id, 10))
        hidden = answered(store.get(HIDDEN_PRODUCTS, user_id)).row
        names = self._names([*(each.product_id for each in reorders.rows), *(hidden.product_ids if hidden else ())])
        return {
            "profile": answered(store.get(PROFILES, user_id)),
            "personas": answered(store.get(PERSONAS, user_id)).rows,
            "reorders": [
                {
                    "row": each,
                    "name": names.get(each.product_id),
                    "next": next_in_words(each),
                    "reason": why_bought(bought_of(each, {})) if each.purchases else BOUGHT_ALIKE,
                }
                for each in reorders.rows
            ],
            "as_of": reorders.as_of,
            "source": reorders.source,
            "hidden": [(each, names.get(each)) for each in (hidden.product_ids if hidden else ())],
        }

    def _journey(self, user_id: str) -> dict[str, Any]:
        store = self._console.desk.patient_store
        consent = decided(answered(store.get(CONSENTS, user_id)), "analytics")
        if not allows(self._console.desk.settings, consent):
            return {"allowed": False, "consent": consent, "visits": [], "more": False}
        rows = self._of(_JOURNEY, user_id, 90)
        names = self._names(row["subject"] for row in rows if row["what"] in _ABOUT_PRODUCTS)
        for row in rows:
            row["name"] = names.get(row["subject"]) if row["what"] in _ABOUT_PRODUCTS else None
        return {"allowed": True, "consent": consent, "visits": _visits(rows[:STEPS]), "more": len(rows) > STEPS}

    def _decisions(self, user_id: str) -> list[Row]:
        rows = self._of(_DECISIONS, user_id, 90)
        names = self._names(item["product_id"] for row in rows for item in row["items"] or ())
        return [
            row | {"items": [dict(item) | {"name": names.get(item["product_id"])} for item in row["items"] or ()]}
            for row in rows
        ]

    def _of(self, statement: str, user_id: str, days: int | None) -> list[Row]:
        parameters = [Parameter("user_id", "STRING", user_id)]
        if days is not None:
            parameters.append(Parameter("since", "TIMESTAMP", self._console.desk.clock.now() - timedelta(days=days)))
        return self._console.ask(statement, *parameters)

    def _names(self, product_ids: Iterable[str]) -> dict[str, str]:
        """What the catalogue calls products."""
        answers = self._console.desk.patient_store.get_many(PRODUCTS, sorted(set(product_ids)))
        rows = {product_id: answer.row for product_id, answer in answers.items()}
        return {product_id: row.name for product_id, row in rows.items() if row is not None and row.name is not None}


_ABOUT_PRODUCTS = ("impression", "view", "click", "cart_add", "cart_remove", "favourite")


def _visits(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Steps, the latest first, as visits with their steps in the order they happened."""
    visits: list[dict[str, Any]] = []
    for row in rows:
        if not visits or row["session_id"] is None or visits[-1]["session_id"] != row["session_id"]:
            visits.append({"session_id": row["session_id"], "steps": []})
        visits[-1]["steps"].insert(0, row)
    for visit in visits:
        visit["began_at"] = visit["steps"][0]["occurred_at"]
    return visits


def _again(decision: Decision) -> str:
    """Whether the same facts give the same list today."""
    try:
        again = decided_again(decision)
    except ValidationError:
        return "Its facts are of a version this one does not know."
    if again.items == decision.items and again.rules == decision.rules:
        return "Decided again from these facts: the same list, scores and reasons, to the last digit."
    return "Decided again from these facts, today's code gives another list."
