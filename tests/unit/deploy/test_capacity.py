"""The arithmetic of docs/scale.md, and that the page has it as it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.capacity import RATES, ROWS, Given, shards, state_visits, streams, table, visitors, with_figures

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
GIVEN = Given()


def test_the_page_has_the_figures_of_today() -> None:
    page = PAGE.read_text()
    assert with_figures(page) == page, "run `make docs`"
    assert "\n".join(table(RATES, GIVEN)) in page


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the comments"):
        with_figures("# Scale\n")


def test_a_row_says_what_is_needed_at_each_rate() -> None:
    assert ROWS["Pub/Sub, packed"](10_000, GIVEN) == "820 kB/s"
    assert ROWS["Pub/Sub, messages a second"](1_000_000, GIVEN) == "2,000"
    assert ROWS["the default spool of 1 GiB holds"](1_000, GIVEN) == "36.4 minutes"
    assert ROWS["streaming inserts, of their quota"](1_000_000, GIVEN) == "1,000%"
    assert ROWS["90 days, raw and stable"](10_000, GIVEN) == "39.2 TB"


def test_shards_keep_their_state_small_until_there_can_be_no_more() -> None:
    for rate in (1, 1_000, 10_000, 100_000):
        assert visitors(rate, GIVEN) / shards(rate, GIVEN) * GIVEN.visitor_bytes <= GIVEN.shard_bytes
    assert shards(1, GIVEN) == 64
    assert shards(1e9, GIVEN) == GIVEN.most_shards


def test_visits_cost_what_is_remembered_once_every_shard_has_its_bundle() -> None:
    assert state_visits(10_000, GIVEN) == visitors(10_000, GIVEN)
    seldom = replace(GIVEN, bundles_a_shard=0.5)
    assert state_visits(10_000, seldom) == visitors(10_000, GIVEN) / 2
    assert state_visits(10, GIVEN) == pytest.approx(10 * visitors(10, GIVEN) / 64), "no more bundles than events"


def test_streams_follow_the_largest_table() -> None:
    assert streams(100, GIVEN) == 4
    assert streams(1_000_000, GIVEN) == 120
    assert streams(1_000_000, replace(GIVEN, largest_share=0.3)) == 60
