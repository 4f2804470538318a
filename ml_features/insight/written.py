"""An insight in words, and when one may be believed."""

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .figures import Figures

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PLAIN = re.compile(r"[^<>{}\[\]`\\|#*_\x00-\x1f]*")
_FOREIGN = re.compile(
    r"https?:|www\.|@|\b(?:ignore|disregard|instructions?|prompt|system|assistant|execute|delete|password)\b",
    re.IGNORECASE,
)
"""Words of a reply that talks to its reader or to a machine, and not of a customer."""
_MOST_DECIMALS = 3


class Unusable(ValueError):
    """A reply that must not be shown, and why."""


class Finding(BaseModel):
    """One thing that the figures say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, max_length=240, description="One sentence; every number in it is a figure.")
    figures: tuple[str, ...] = Field(min_length=1, max_length=5, description="The names of the figures it rests on.")


class Insight(BaseModel):
    """A subject in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str = Field(max_length=40, description="The subject, as it was given.")
    headline: str = Field(min_length=1, max_length=120, description="What matters most, in one line.")
    findings: tuple[Finding, ...] = Field(min_length=1, max_length=5, description="What the figures say.")
    next_step: str = Field(min_length=1, max_length=240, description="What the shop could do.")

    @property
    def texts(self) -> Iterator[str]:
        """Every text of it."""
        yield self.headline
        yield from (finding.text for finding in self.findings)
        yield self.next_step


def usable(reply: str, subject: str, figures: Figures) -> Insight:
    """The insight in a model's reply.

    Raises:
        Unusable: It is not JSON of the schema, is of another subject, rests on figures there are not, tells a number
            that is none of them, or holds links, markup or instructions.
    """
    try:
        found = Insight.model_validate(json.loads(reply))
    except json.JSONDecodeError as error:
        raise Unusable("the reply is not JSON") from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise Unusable(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}") from error
    if found.subject != subject:
        raise Unusable("the reply is of another subject")
    if missing := {name for finding in found.findings for name in finding.figures} - figures.values.keys():
        raise Unusable(f"the reply rests on figures there are not: {', '.join(sorted(missing))}")
    for text in found.texts:
        if not _PLAIN.fullmatch(text) or _FOREIGN.search(text):
            raise Unusable("the reply holds links, markup or instructions")
        if strange := [number for number in _NUMBER.findall(text) if not _told(number, figures)]:
            raise Unusable(f"the reply tells {strange[0]}, which is none of the figures")
    return found


def _told(number: str, figures: Figures) -> bool:
    """Whether a number in a sentence is a figure, as it is or in per cent, or part of what a figure means."""
    decimals = len(number.partition(".")[2])
    if decimals > _MOST_DECIMALS:
        return False
    said = number.replace(",", "")
    if any(said in _NUMBER.findall(meaning) for meaning in figures.meanings.values()):
        return True
    values = [abs(value) for value in figures.values.values() if not isinstance(value, str)]
    return any(f"{shown:.{decimals}f}" == said for value in values for shown in (value, value * 100))
