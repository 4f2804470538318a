"""The estimate is the arithmetic of docs/cost.md: volumes times list prices."""

import pytest

from shopstream.pipeline.cost import BRIEF_DOLLARS, Prices, Volume, estimate, estimate_lines
from shopstream.pipeline.options import PipelineSettings
from shopstream.schemas import read_settings

A_MILLION_A_MONTH = 1_000_000 / 30
PRICES = Prices()


def settings(**variables: str) -> PipelineSettings:
    return read_settings(PipelineSettings, {"GOOGLE_CLOUD_PROJECT": "shopstream-local", **variables})


def test_a_million_events_cost_what_the_page_says() -> None:
    found = estimate([Volume("searches", A_MILLION_A_MONTH, 491, None)], 0, settings(), 7, PRICES)
    dollars = {item.what: item.dollars for item in found.items}
    assert dollars["published and delivered, packed"] == pytest.approx(0.006, abs=0.001)
    assert dollars["streaming inserts"] == pytest.approx(0.049, abs=0.001)
    assert dollars["storage of 90 days, raw and stable"] == pytest.approx(0.028, abs=0.001)
    assert dollars["one small worker, on all month"] == PRICES.dataflow_worker_month
    assert found.variable_dollars < 0.1


def test_the_storage_write_api_is_cheaper() -> None:
    volume = Volume("searches", A_MILLION_A_MONTH, 491, None)
    by_method = {
        method: estimate([volume], 0, settings(BIGQUERY_WRITE_METHOD=method), 7, PRICES).variable_dollars
        for method in ("streaming_inserts", "storage_write")
    }
    assert by_method["storage_write"] < by_method["streaming_inserts"]


def test_it_scales_with_the_events_and_shows_the_growth() -> None:
    one = estimate([Volume("searches", 100, 491, 0.25)], 10, settings(), 7, PRICES)
    ten = estimate([Volume("searches", 1000, 491, 0.25)], 10, settings(), 7, PRICES)
    assert ten.variable_dollars == pytest.approx(10 * one.variable_dollars)
    assert one.growth == pytest.approx(0.25)
    assert "+25%  events" in "\n".join(estimate_lines(one, None))


def test_fifty_users_of_a_shop_stay_far_below_what_was_allowed() -> None:
    # Fifty searches, a hundred clicks and an order a user and day: busier than any shop.
    volumes = [
        Volume("searches", 2500, 1500, None),
        Volume("interactions", 5000, 400, None),
        Volume("orders", 50, 900, None),
    ]
    found = estimate(volumes, 50, settings(BIGQUERY_EMULATOR_HOST="http://127.0.0.1:1"), 7, PRICES)
    assert found.dollars < BRIEF_DOLLARS
    assert "the brief allows about 5" in "\n".join(estimate_lines(found, None))


def test_nothing_costs_nothing_but_the_worker() -> None:
    found = estimate([Volume("searches", 0, 0, None)], 0, settings(), 7, PRICES)
    assert (found.dollars, found.variable_dollars, found.growth) == (PRICES.dataflow_worker_month, 0, None)
    assert "over it" in estimate_lines(found, 10.0)[-1]
