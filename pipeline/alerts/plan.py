"""What follows from what is found now and what was told before: steps to note, and messages to send.

Pure: the same steps, findings and moment give the same plan.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from shopstream.schemas.alert import AlertChannel, AlertStep, Severity

from .rules import AlertRules

REMEMBERED = timedelta(days=8)
"""Older steps say nothing any more: the longest repeat_minutes are seven days."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Finding:
    """Something a rule says people should hear of."""

    rule: str
    subject: str
    severity: Severity
    value: float
    bound: float
    text: str
    occurrence: str = ""
    """What tells one occurrence from another; empty where something simply holds."""


@dataclass(frozen=True)
class Alert:
    """A finding that has got an identity."""

    alert_id: str
    opened_at: datetime
    finding: Finding

    def step(self, name: str, now: datetime, **more: object) -> AlertStep:
        """One step of it."""
        return AlertStep.model_validate(
            {"occurred_at": now, "step": name, "alert_id": self.alert_id, **vars(self.finding), **more}
        )


@dataclass(frozen=True)
class Message:
    """What is sent to a channel: one alert, or several of a rule together."""

    channel: AlertChannel
    alerts: tuple[Alert, ...]

    @property
    def message_id(self) -> str:
        """The same for the same alerts: who gets a message twice can tell."""
        return self.alerts[0].alert_id if len(self.alerts) == 1 else _hash(*(each.alert_id for each in self.alerts))

    @property
    def rule(self) -> str:
        """The rule all of them break."""
        return self.alerts[0].finding.rule

    def told(self, now: datetime) -> list[AlertStep]:
        """The steps to note once it was taken."""
        return [each.step("told", now, channel=self.channel, message_id=self.message_id) for each in self.alerts]


@dataclass(frozen=True)
class Plan:
    """What to note first, and then to send."""

    steps: tuple[AlertStep, ...]
    messages: tuple[Message, ...]
    waiting: int
    """Alerts that are told later: because of quiet hours, or because their rule has told enough within the hour."""


@dataclass
class _History:
    """What the steps so far come to."""

    open: dict[tuple[str, str, str], Alert] = field(default_factory=dict)
    told: dict[AlertChannel, set[str]] = field(default_factory=lambda: defaultdict(set))
    told_at: dict[tuple[AlertChannel, str, str], datetime] = field(default_factory=dict)
    """When a subject was told of last, by channel and rule."""
    messages: dict[tuple[AlertChannel, str], dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    """The messages of a rule, and when they were sent."""


def plan(
    steps: Iterable[AlertStep],
    findings: Sequence[Finding],
    rules: AlertRules,
    channels: Sequence[AlertChannel],
    now: datetime,
) -> Plan:
    """What to do now.

    What is found and not open is opened; what is open and not found is ended, and then no longer told. An open alert is
    told once to each channel, unless its subject was told of less than `repeat_minutes` ago; in quiet hours only where
    it is critical; and of a rule at most `messages_an_hour` within any hour, the last of which gathers all that wait.
    """
    history = _history(steps)
    noted = list(_opened_and_ended(history, findings, now))
    is_quiet = rules.quiet_hours is not None and rules.quiet_hours.hold(now)
    messages: list[Message] = []
    waiting: set[str] = set()
    for channel in channels:
        for rule in rules.rules:
            due = [
                alert
                for alert in history.open.values()
                if alert.finding.rule == rule.name
                and alert.alert_id not in history.told[channel]
                and _may_repeat(history, channel, alert, rule.repeat, now)
            ]
            if is_quiet:
                waiting.update(alert.alert_id for alert in due if alert.finding.severity != "critical")
                due = [alert for alert in due if alert.finding.severity == "critical"]
            recent = sum(now - at < _HOUR for at in history.messages[channel, rule.name].values())
            sent = list(_messages(channel, due, rule.messages_an_hour - recent))
            messages += sent
            if due and not sent:
                waiting.update(alert.alert_id for alert in due)
    return Plan(tuple(noted), tuple(messages), len(waiting))


def _history(steps: Iterable[AlertStep]) -> _History:
    history = _History()
    for step in sorted(steps, key=lambda step: (step.occurred_at, step.step == "ended")):
        key = step.rule, step.subject, step.occurrence
        if step.step == "opened":
            finding = Finding(*key[:2], step.severity, step.value, step.bound, step.text, step.occurrence)
            history.open[key] = Alert(step.alert_id, step.occurred_at, finding)
        elif step.step == "ended":
            if key in history.open and history.open[key].alert_id == step.alert_id:
                del history.open[key]
        elif step.channel is not None and step.message_id is not None:
            history.told[step.channel].add(step.alert_id)
            history.told_at[step.channel, step.rule, step.subject] = step.occurred_at
            history.messages[step.channel, step.rule].setdefault(step.message_id, step.occurred_at)
    return history


def _opened_and_ended(history: _History, findings: Sequence[Finding], now: datetime) -> Iterator[AlertStep]:
    found: Mapping[tuple[str, str, str], Finding] = {
        (finding.rule, finding.subject, finding.occurrence): finding for finding in findings
    }
    for key, finding in found.items():
        if key not in history.open:
            history.open[key] = Alert(_hash(*key, now.isoformat()), now, finding)
            yield history.open[key].step("opened", now)
    for key in [key for key in history.open if key not in found]:
        yield history.open.pop(key).step("ended", now)


def _may_repeat(history: _History, channel: AlertChannel, alert: Alert, repeat: timedelta, now: datetime) -> bool:
    before = history.told_at.get((channel, alert.finding.rule, alert.finding.subject))
    return before is None or now - before >= repeat


def _messages(channel: AlertChannel, due: Sequence[Alert], most: int) -> Iterator[Message]:
    """One message a subject; where there are more than may be sent, the last holds all the others."""
    subjects: dict[str, tuple[Alert, ...]] = {}
    for alert in due:
        subjects[alert.finding.subject] = (*subjects.get(alert.finding.subject, ()), alert)
    together = list(subjects.values())
    if most <= 0 or not together:
        return
    apart = together if len(together) <= most else together[: most - 1]
    for alerts in apart:
        yield Message(channel, alerts)
    if rest := together[len(apart) :]:
        yield Message(channel, tuple(chain.from_iterable(rest)))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
