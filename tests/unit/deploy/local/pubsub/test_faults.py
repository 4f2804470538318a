"""Labels → faults."""

import pytest

from deploy.local.pubsub.faults import PublishFault, duplicate_every, publish_faults
from deploy.local.pubsub.refusal import Refusal, Status


def test_other_labels_are_no_faults() -> None:
    faults = publish_faults({"team": "search", "default-fault": "yes"})
    assert (faults.strike(), faults.delay_seconds) == (None, 0.0)
    assert duplicate_every({"team": "search"}) is None


def test_without_times_a_fault_never_heals() -> None:
    faults = publish_faults({"fault-publish": "hang"})
    assert {faults.strike() for _ in range(100)} == {PublishFault.HANG}


def test_with_times_it_heals() -> None:
    faults = publish_faults({"fault-publish": "unavailable", "fault-times": "2"})
    assert [faults.strike() for _ in range(4)] == [PublishFault.UNAVAILABLE] * 2 + [None] * 2


def test_a_delay_is_given_in_milliseconds() -> None:
    assert publish_faults({"fault-publish-delay-ms": "1500"}).delay_seconds == 1.5


@pytest.mark.parametrize("fault", [fault for fault in PublishFault if fault not in {"hang", "answer-lost"}])
def test_a_fault_that_is_a_status_is_one_we_answer_with(fault: PublishFault) -> None:
    assert Status(fault.value)


@pytest.mark.parametrize(
    "labels",
    [
        {"fault-publish": ""},
        {"fault-publish": "Hang"},
        {"fault-publish": "not-found"},
        {"fault-times": "0"},
        {"fault-times": "-1"},
        {"fault-times": "²"},
        {"fault-publish-delay-ms": "1.5"},
        {"fault-duplicate-every": "50"},
        {"fault-": "x"},
    ],
    ids=str,
)
def test_what_a_topic_cannot_suffer_is_refused_by_name(labels: dict[str, str]) -> None:
    with pytest.raises(Refusal, match=f"labels.{next(iter(labels))}: ") as refusal:
        publish_faults(labels)
    assert refusal.value.status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("labels", [{"fault-duplicate-every": "0"}, {"fault-publish": "hang"}], ids=str)
def test_what_a_subscription_cannot_suffer_is_refused_by_name(labels: dict[str, str]) -> None:
    with pytest.raises(Refusal, match=f"labels.{next(iter(labels))}: "):
        duplicate_every(labels)
