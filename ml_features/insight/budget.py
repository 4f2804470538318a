"""So much money a day and not more, however many reports are written at once."""

from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock

from .providers import MOST_OUTPUT_TOKENS, Prompt, Reply

_MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """US dollars a million tokens."""

    input: float
    output: float

    def most_of(self, prompt: Prompt) -> float:
        """What a prompt may cost at most."""
        return (prompt.most_tokens * self.input + MOST_OUTPUT_TOKENS * self.output) / _MILLION

    def of(self, reply: Reply) -> float:
        """What a reply did cost."""
        return (reply.input_tokens * self.input + reply.output_tokens * self.output) / _MILLION


class DailyBudget:
    """US dollars of each day (UTC). What may be spent is set aside before a call and given back after it."""

    def __init__(self, most: float, *, day: date | None = None, spent: float = 0.0) -> None:
        """`most` a day; of `day` so much is spent already."""
        self._most = most
        self._lock = Lock()
        self._day, self._spent = day, spent

    @property
    def spent(self) -> float:
        """On the latest day anything was set aside, calls under way at the most they may cost."""
        with self._lock:
            return self._spent

    def set_aside(self, amount: float, now: datetime) -> "Spending | None":
        """The right to spend so much at most; None where the day does not have it."""
        with self._lock:
            if self._day != now.date():
                self._day, self._spent = now.date(), 0.0
            if self._spent + amount > self._most:
                return None
            self._spent += amount
            return Spending(self, now.date(), amount)

    def give_back(self, amount: float, day: date) -> None:
        """What was set aside on a day and not spent."""
        with self._lock:
            if day == self._day:
                self._spent -= amount


@dataclass(frozen=True)
class Spending:
    """The right to spend an amount; it counts as spent until the cost is told."""

    budget: DailyBudget
    day: date
    amount: float

    def cost(self, amount: float) -> None:
        """The call cost so much."""
        self.budget.give_back(self.amount - amount, self.day)
