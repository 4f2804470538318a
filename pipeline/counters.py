"""What the job counts: every branch an event can take, once, with its meaning."""

from enum import StrEnum

NAMESPACE = "shopstream"


class Counter(StrEnum):
    """Names of Beam counters in the namespace `shopstream`."""

    MESSAGES_RECEIVED = "messages_received"
    """Pub/Sub messages, or chunks of a file, that entered the job."""
    MESSAGES_ACKNOWLEDGED = "messages_acknowledged"
    """Messages of which every event was stored or failed; with a source that leaves that to the job."""
    EVENTS_DECODED = "events_decoded"
    """Lines found in messages."""
    EVENTS_VALIDATED = "events_validated"
    """Lines that are events of a known contract."""
    EVENTS_ENRICHED = "events_enriched"
    """Events made into rows."""
    EVENTS_STORED = "events_stored"
    """Rows BigQuery took, redeliveries included."""
    ROWS_STORED = "rows_stored"
    """The same by table: `rows_stored.searches` and so on."""
    EVENTS_FAILED = "events_failed"
    """Failed events, from every stage and from capture, that entered the failed table."""
    FAILED_BY_REASON = "failed"
    """The same by stage and reason: `failed.validate.missing_field` and so on."""
    WRITE_REQUESTS = "write_requests"
    """Requests with rows that BigQuery answered."""
    WRITE_RETRIES = "write_retries"
    """Requests that had to be sent again."""
    LIVE_ROWS_STORED = "live_rows_stored"
    """Rows of `live_sessions` and `live_reorders` BigQuery took; with LIVE_FEATURES_ENABLED."""
    LIVE_ROWS_DROPPED = "live_rows_dropped"
    """Those that were not written, because BigQuery was away or there were no weights; the nightly job makes good."""
    LIVE_ROWS_SERVED = "live_rows_served"
    """Rows of these Redis took, or had a later one of; with REDIS_ENABLED."""
    LIVE_ROWS_UNSERVED = "live_rows_unserved"
    """Those it did not take; the user's next event makes good, or the nightly job."""
    WRITE_REPEATS = "write_repeats"
    """Rows that the Storage Write API rejected by their offset because an earlier attempt had stored them."""


class Distribution(StrEnum):
    """Names of Beam distributions in the same namespace: count, sum, least and greatest."""

    LATENCY_MS = "latency_ms"
    """Milliseconds from occurred_at until BigQuery had the row; of every row."""
    PIPELINE_LATENCY_MS = "pipeline_latency_ms"
    """Milliseconds from the publishing of a message until BigQuery had its rows: the lag; the oldest of a request."""
    ROWS_PER_SECOND = "rows_per_second"
    """Rows a worker thread stored in each second in which it stored any. The sum over all workers must stay below the
    quota of streaming inserts, 100,000 rows a second."""
