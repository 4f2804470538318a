"""Insights: written before, or by a model within its budget and time, else from templates. It always answers."""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from threading import Thread
from typing import Literal, TypeAlias

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shopstream.schemas import Unavailable
from shopstream.schemas.breaker import Breaker
from shopstream.schemas.written_insight import WrittenInsight

from ..settings import FeatureSettings
from .budget import DailyBudget, Prices
from .figures import Figures
from .providers import Declined, NoAnswer, Prompt, Provider, Reply, prompt_of, provider_of, task_of
from .store import Store
from .template import from_template
from .written import Insight, Unusable, usable

logger = logging.getLogger(__name__)

ATTEMPTS = 3
_BREAKER_FAILURES, _BREAKER_FIRST_SECONDS, _BREAKER_LONGEST_SECONDS = 5, 5.0, 300.0

WhyTemplate: TypeAlias = Literal[
    "switched off", "over budget", "left alone", "late", "unavailable", "refused", "unusable"
]
"""`left alone`: the model failed so often in a row that it is not asked for a while."""


@dataclass(frozen=True)
class Told:
    """An insight and where it comes from."""

    insight: Insight
    source: Literal["model", "cache", "template"]
    why_template: WhyTemplate | None = None


@dataclass
class Model:
    """A language model with what it may cost and how long it may take."""

    provider: Provider
    name: str
    prices: Prices
    budget: DailyBudget
    seconds: float
    clock: Callable[[], float]
    """Seconds that only go on, for deadlines."""
    random: Random
    sleep: Callable[[float], None]
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            failures=_BREAKER_FAILURES,
            first_seconds=_BREAKER_FIRST_SECONDS,
            longest_seconds=_BREAKER_LONGEST_SECONDS,
            random=self.random,
        )


def model_in_force(settings: FeatureSettings, store: Store, now: datetime, random: Random) -> Model | None:
    """The model that the settings name; None where AI_ANALYSIS_ENABLED is false.

    What was spent today counts; where that cannot be read, the day's budget counts as spent.

    Raises:
        SettingsError: Something the provider needs is not set or not installed.
    """
    if not settings.ai_analysis_enabled:
        return None
    provider, most = provider_of(settings), settings.ai_analysis_daily_budget
    try:
        spent = store.spent(now)
    except Unavailable as error:
        logger.warning("what was spent today is not known, so no model is asked: %s", error)
        spent = most
    return Model(
        provider,
        str(settings.ai_analysis_model),
        Prices(settings.ai_analysis_input_price, settings.ai_analysis_output_price),
        DailyBudget(most, day=now.date(), spent=spent),
        settings.ai_analysis_seconds,
        time.monotonic,
        random,
        time.sleep,
    )


class InsightWriter:
    """Writes insights. Without a model, templates do."""

    def __init__(self, store: Store, model: Model | None) -> None:
        self._store, self._model = store, model
        self.counted: Counter[str] = Counter()
        """How many were told, by source, and of templates by why."""

    def write(self, figures: Figures, subject: str, now: datetime, user_id: str | None = None) -> Told:
        """The insight of a subject.

        Args:
            figures: Of a subject that allows it; nothing else is told to the model.
            subject: What the subject is called in this report: a pseudonym that means nothing elsewhere.
            now: When.
            user_id: Of whom the figures are, kept beside what was written so that an erasure finds it.
        """
        told = self._told(figures, subject, now, user_id)
        self.counted[told.source] += 1
        if told.why_template is not None:
            self.counted[told.why_template] += 1
        return told

    def _told(self, figures: Figures, subject: str, now: datetime, user_id: str | None) -> Told:
        model = self._model
        if model is None:
            return self._template(subject, figures, "switched off")
        key = _key(figures, model.name)
        if (document := self._found(key, now)) is not None:
            return Told(Insight.model_validate({**json.loads(document), "subject": subject}), "cache")
        try:
            insight, cost = self._asked(model, subject, figures, now)
        except _NotAsked as error:
            return self._template(subject, figures, error.why)
        except (TimeoutError, Unavailable, Declined, Unusable) as error:
            logger.warning("a template stands in for %s: %s", model.name, str(error) or type(error).__name__)
            return self._template(subject, figures, _why(error))
        self._store.keep(
            WrittenInsight(
                written_at=now,
                key=key,
                of=figures.of,
                user_id=user_id,
                model=model.name,
                cost=cost,
                document=insight.model_dump_json(exclude={"subject"}),
            )
        )
        return Told(insight, "model")

    def _found(self, key: str, now: datetime) -> str | None:
        try:
            return self._store.found(key, now)
        except Unavailable:
            return None

    def _asked(self, model: Model, subject: str, figures: Figures, now: datetime) -> tuple[Insight, float]:
        """A usable insight and what all attempts did cost."""
        prompt = prompt_of(subject, figures)
        until = model.clock() + model.seconds
        cost = 0.0

        def attempt() -> Insight:
            nonlocal cost
            left = until - model.clock()
            if left <= 0:
                raise TimeoutError
            reply, spent = self._reply(model, prompt, left, now)
            cost += spent
            return usable(reply.text, subject, figures)

        retrying = Retrying(
            retry=retry_if_exception_type((Unavailable, Unusable)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            sleep=lambda seconds: model.sleep(min(seconds, max(until - model.clock(), 0.0))),
            reraise=True,
        )
        return retrying(attempt), cost

    def _reply(self, model: Model, prompt: Prompt, seconds: float, now: datetime) -> tuple[Reply, float]:
        """One call and its cost, which counts at the most it may be until it is known."""
        spending = model.budget.set_aside(model.prices.most_of(prompt), now)
        if spending is None:
            raise _NotAsked("over budget")
        if not model.breaker.may_try(model.clock()):
            spending.cost(0)
            raise _NotAsked("left alone")
        try:
            reply = _within(seconds, lambda: model.provider(prompt, seconds))
        except (TimeoutError, NoAnswer):
            model.breaker.failed(model.clock())
            raise
        except (Unavailable, Declined):
            spending.cost(0)
            model.breaker.failed(model.clock())
            raise
        model.breaker.succeeded()
        cost = model.prices.of(reply)
        spending.cost(cost)
        return reply, cost

    def _template(self, subject: str, figures: Figures, why: WhyTemplate) -> Told:
        return Told(from_template(subject, figures), "template", why)


class _NotAsked(Exception):
    """The model was not asked, and why."""

    def __init__(self, why: WhyTemplate) -> None:
        super().__init__(why)
        self.why: WhyTemplate = why


def _within(seconds: float, call: Callable[[], Reply]) -> Reply:
    """What the call gives, or TimeoutError after so many seconds, whatever the call does then.

    In a thread, for a client's timeout is of each read: a reply that drips in may take a day.
    """
    given: Future[Reply] = Future()

    def run() -> None:
        try:
            given.set_result(call())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the reply is waited for
            given.set_exception(error)

    Thread(target=run, name="insight", daemon=True).start()
    return given.result(timeout=seconds)


def _why(error: Exception) -> WhyTemplate:
    if isinstance(error, TimeoutError):
        return "late"
    if isinstance(error, Declined):
        return "refused"
    return "unusable" if isinstance(error, Unusable) else "unavailable"


def _key(figures: Figures, model: str) -> str:
    """The same for the same figures, asked of the same model in the same words."""
    return hashlib.sha256(f"{figures.key}\n{model}\n{task_of(figures.of)}".encode()).hexdigest()[:32]
