"""Language models behind one small interface: a prompt goes in, a reply and its tokens come out."""

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from shopstream.schemas import SettingsError, Unavailable

from ..settings import FeatureSettings
from .figures import Figures
from .written import Insight

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

MOST_OUTPUT_TOKENS = 800
CHARACTERS_A_TOKEN = 2
"""A token is rarely shorter, so that a prompt's cost is not underestimated."""

_TASK = """You write for the people who run a shop, about one of its {of}s, from figures alone.
Answer with one JSON object of this schema and nothing else:
{schema}
Every number you write must be one of the figures, as it is or in per cent, rounded at most. Claim nothing else. Plain \
sentences, no markup, no links. Never guess who the customer is."""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked."""

    task: str
    figures: str

    @property
    def most_tokens(self) -> int:
        """How many tokens it may be at most."""
        return (len(self.task) + len(self.figures)) // CHARACTERS_A_TOKEN + 100


@dataclass(frozen=True)
class Reply:
    """What it said."""

    text: str
    input_tokens: int
    output_tokens: int


class NoAnswer(Unavailable):
    """A call was made and no answer came: it may have cost what it could."""


class Declined(Exception):
    """The provider will never answer this: a wrong key or model, or a request it does not take."""


class Provider(Protocol):
    """A language model.

    Raises:
        NoAnswer: It was asked and did not answer.
        Unavailable: It answers that it cannot now.
        Declined: It answers that it will not.
    """

    def __call__(self, prompt: Prompt, seconds: float) -> Reply:
        """The reply, within so many seconds."""


@cache
def task_of(of: str) -> str:
    """What a model is to do, for a customer or a segment."""
    return _TASK.format(of=of, schema=json.dumps(Insight.model_json_schema()))


def prompt_of(subject: str, figures: Figures) -> Prompt:
    """What a model is told of a subject: its name in this report, the figures, what they mean."""
    told = {
        "subject": subject,
        "figures": {
            name: {"value": value, "meaning": figures.meanings[name]} for name, value in figures.values.items()
        },
    }
    return Prompt(task_of(figures.of), json.dumps(told))


def provider_of(settings: FeatureSettings, credentials: "Credentials | None" = None) -> Provider:
    """The provider that the settings name.

    Args:
        settings: Those of the jobs.
        credentials: Of Google; None for those of the environment.

    Raises:
        SettingsError: AI_ANALYSIS_MODEL or the key is not set, or the extra `insight` is not installed.
    """
    if settings.ai_analysis_model is None:
        raise SettingsError("AI_ANALYSIS_ENABLED is true, but AI_ANALYSIS_MODEL is not set")
    try:
        if settings.ai_analysis_provider == "gemini":
            return _gemini(settings, settings.ai_analysis_model, credentials)
        return _claude(settings, settings.ai_analysis_model, credentials)
    except ImportError as error:
        raise SettingsError(f"{error.name} is not installed; install shopstream[insight]") from error


def _gemini(settings: FeatureSettings, model: str, credentials: "Credentials | None") -> Provider:
    from google import genai
    from google.genai import errors, types
    from httpx import HTTPError

    client = genai.Client(
        vertexai=True,
        project=settings.google_cloud_project,
        location=settings.ai_analysis_location,
        credentials=credentials,
    )

    def complete(prompt: Prompt, seconds: float) -> Reply:
        config = types.GenerateContentConfig(
            system_instruction=prompt.task,
            max_output_tokens=MOST_OUTPUT_TOKENS,
            response_mime_type="application/json",
            http_options=types.HttpOptions(
                base_url=settings.ai_analysis_base_url,
                timeout=max(round(seconds * 1000), 1),
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        try:
            answer = client.models.generate_content(model=model, contents=prompt.figures, config=config)
        except errors.APIError as error:
            raise _told(f"Gemini answers {error.code}", error.code) from error
        except (HTTPError, OSError) as error:
            raise NoAnswer(f"Gemini does not answer: {type(error).__name__}") from error
        used = answer.usage_metadata
        return Reply(
            answer.text or "",
            (used and used.prompt_token_count) or prompt.most_tokens,
            ((used and used.candidates_token_count) or MOST_OUTPUT_TOKENS)
            + ((used and used.thoughts_token_count) or 0),
        )

    return complete


def _claude(settings: FeatureSettings, model: str, credentials: "Credentials | None") -> Provider:
    import anthropic

    client: Any
    if settings.ai_analysis_provider == "claude":
        if settings.anthropic_api_key is None:
            raise SettingsError("AI_ANALYSIS_PROVIDER is claude, but ANTHROPIC_API_KEY is not set")
        client = anthropic.Anthropic(
            api_key=settings.anthropic_api_key.get_secret_value(),
            base_url=settings.ai_analysis_base_url,
            max_retries=0,
        )
    else:
        client = anthropic.AnthropicVertex(
            project_id=settings.google_cloud_project,
            region=settings.ai_analysis_location,
            credentials=credentials,
            base_url=settings.ai_analysis_base_url,
            max_retries=0,
        )

    def complete(prompt: Prompt, seconds: float) -> Reply:
        try:
            answer = client.messages.create(
                model=model,
                max_tokens=MOST_OUTPUT_TOKENS,
                system=prompt.task,
                messages=[{"role": "user", "content": prompt.figures}],
                timeout=seconds,
            )
        except anthropic.APIStatusError as error:
            raise _told(f"Claude answers {error.status_code}", error.status_code) from error
        except anthropic.APIError as error:
            raise NoAnswer(f"Claude does not answer: {type(error).__name__}") from error
        text = "".join(block.text for block in answer.content if block.type == "text")
        return Reply(text, answer.usage.input_tokens, answer.usage.output_tokens)

    return complete


_TRY_LATER = (408, 409, 429)
_SERVER_ERROR = 500


def _told(what: str, status: int) -> Exception:
    return Unavailable(what) if status in _TRY_LATER or status >= _SERVER_ERROR else Declined(what)
