"""What feature jobs and the reader take from the environment."""

from typing import Literal

from pydantic import Field, SecretStr

from shopstream.schemas import CloudSettings, RedisSettings


class FeatureSettings(CloudSettings, RedisSettings):
    """Settings of the feature jobs, the reader and the command `shopstream-features`."""

    training_export_key: SecretStr | None = Field(
        None, min_length=16, description="Key of the pseudonyms in training exports; required for them."
    )
    models_bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$",
        description="Cloud Storage bucket that keeps the models of the model tier; unset to do without them.",
    )
    reorder_tier: Literal["sql", "model"] = Field(
        "sql",
        description="Whose predictions the reader serves: those of the formula in SQL, or of the model tier, which "
        "also names products the user has not bought.",
    )
    model_reorders_most: int = Field(
        100, ge=1, le=1000, description="How many products of a user the model tier writes into `model_reorders`."
    )
    scoring_beam_options: str | None = Field(
        None,
        description="Options of Apache Beam, such as `--runner=DataflowRunner --region=…`, with which `model_reorders` "
        "is scored as a Beam batch; unset to score in the process that runs the job. Needs the extra `pipeline`.",
    )
    scoring_directory: str | None = Field(
        None,
        description="Where a Beam batch keeps its files while it runs, gs:// for Dataflow; unset for the system's own.",
    )
    serving_redis_seconds: float = Field(
        0.1, gt=0, le=10, description="So long a reader waits for Redis; then it asks the warehouse."
    )
    serving_deadline_seconds: float = Field(
        2.0,
        gt=0,
        le=60,
        description="So long a reader waits for everything together; then it gives what it had before, or nothing.",
    )
    serving_cache_seconds: float = Field(
        5.0, ge=0, le=3600, description="So long a reader gives what it has read without asking again."
    )
    serving_cache_entries: int = Field(
        10_000, ge=0, description="So many answers a reader remembers; the older half goes when the younger is full."
    )
    serving_stale_seconds: float = Field(
        3600.0,
        ge=0,
        description="So old may be what a reader remembers and gives, marked stale, where neither Redis nor the "
        "warehouse answers.",
    )
    decisions_kept: bool = Field(
        True, description="Whether every list served is kept in `decisions`, to be looked up and decided again."
    )
    ai_analysis_enabled: bool = Field(
        False,
        description="Whether a language model may write about customers and segments; otherwise templates do. It gets "
        "figures of users who allow personalization, and no identifier. Needs the extra `insight`.",
    )
    ai_analysis_provider: Literal["gemini", "claude", "claude_vertex"] = Field(
        "gemini",
        description="Whose model: Gemini on Vertex AI, Claude at Anthropic (ANTHROPIC_API_KEY), Claude on Vertex AI.",
    )
    ai_analysis_model: str | None = Field(
        None, description="Its id, such as the provider's page names it; required with AI_ANALYSIS_ENABLED."
    )
    ai_analysis_location: str = Field("global", description="Region of Vertex AI.")
    ai_analysis_base_url: str | None = Field(
        None, description="Where the provider is, if not at its usual place: a gateway or a test server."
    )
    ai_analysis_input_price: float = Field(
        3.0, gt=0, description="US dollars a million tokens given to the model; look it up for yours."
    )
    ai_analysis_output_price: float = Field(15.0, gt=0, description="US dollars a million tokens it writes.")
    ai_analysis_daily_budget: float = Field(
        1.0, ge=0, description="US dollars a day (UTC) at most; beyond that templates write. Of each process by itself."
    )
    ai_analysis_seconds: float = Field(
        20.0, gt=0, le=300, description="So long a report waits for the model, all attempts together."
    )
    anthropic_api_key: SecretStr | None = Field(None, description="API key of Anthropic, for the provider `claude`.")
    aggregates_minimum_users: int = Field(
        20, ge=2, description="Aggregates tell of a query only if so many users searched for it in the window."
    )
    aggregates_window_days: int = Field(
        28, ge=1, le=90, description="How many days queries are gathered for. Windows follow each other, none overlap."
    )
    aggregates_rounding: int = Field(10, ge=1, description="Counts of users are rounded to multiples of this.")
    aggregates_epsilon: float | None = Field(
        None,
        gt=0,
        le=10,
        description="With it, counts of users get Laplace noise of scale 1 / epsilon before they are rounded; unset "
        "for none. Needs the extra `noise`.",
    )
