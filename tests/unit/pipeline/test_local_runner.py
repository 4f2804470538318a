"""The runner's metrics are added up at once; it would keep them all until the job ends."""

import inspect

from apache_beam.metrics.monitoring_infos import int64_user_counter
from apache_beam.runners.portability.fn_api_runner import fn_runner

from shopstream.pipeline.local_runner import add_up_metrics_at_once


def test_metrics_of_many_bundles_take_the_room_of_one() -> None:
    add_up_metrics_at_once()
    kept: list[object] = []
    for _ in range(50):
        of_bundle = int64_user_counter("shopstream", "events_stored", 2, ptransform="step")
        kept = fn_runner.consolidate_monitoring_infos([of_bundle, *kept])
        assert isinstance(kept, list)
        assert len(kept) == 1


def test_the_runner_still_adds_up_by_that_name() -> None:
    assert "consolidate_monitoring_infos(" in inspect.getsource(fn_runner.FnApiRunner.run_stages)
