"""What the job counts: every branch an event can take, once, with its meaning."""

from enum import StrEnum

NAMESPACE = "shopstream"


class Counter(StrEnum):
    """Names of Beam counters in the namespace `shopstream`."""

    MESSAGES_RECEIVED = "messages_received"
    """Pub/Sub messages, or chunks of a file, that entered the job."""
    EVENTS_DECODED = "events_decoded"
    """Lines found in messages."""
    EVENTS_VALIDATED = "events_validated"
    """Lines that are events of a known contract."""
    EVENTS_ENRICHED = "events_enriched"
    """Events made into rows."""
    EVENTS_STORED = "events_stored"
    """Rows BigQuery took, redeliveries included."""
    EVENTS_FAILED = "events_failed"
    """Failed events, from every stage and from capture, that entered the failed table."""
    WRITE_REQUESTS = "write_requests"
    """Requests with rows that BigQuery answered."""
    WRITE_RETRIES = "write_retries"
    """Requests that had to be sent again."""
    WRITE_REPEATS = "write_repeats"
    """Rows that the Storage Write API rejected by their offset because an earlier attempt had stored them."""
