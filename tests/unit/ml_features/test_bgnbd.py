"""The BG/NBD model gives the paper's figures, and finds the parameters that made the data."""

import numpy as np
import pytest

from shopstream.ml_features.models.bgnbd import BGNBD, Buyers, fit, log_likelihood
from shopstream.schemas import SettingsError

CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""As published, for weeks."""


def buyers(*rows: tuple[float, float, float]) -> Buyers:
    return Buyers(*(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)))


def simulated(model: BGNBD, customers: int, weeks: float, *, seed: int) -> Buyers:
    """Customers who live by the model, from their first purchase on."""
    random = np.random.default_rng(seed)
    rate = random.gamma(model.r, 1 / model.alpha, customers)
    leaving = random.beta(model.a, model.b, customers)
    rows = []
    for each in range(customers):
        now, repeats, last = 0.0, 0, 0.0
        while (now := now + random.exponential(1 / rate[each])) <= weeks:
            repeats, last = repeats + 1, now
            if random.random() < leaving[each]:
                break
        rows.append((float(repeats), last, weeks))
    return buyers(*rows)


def test_the_papers_customer_is_expected_to_buy_as_often_as_the_paper_says() -> None:
    expected = CDNOW.expected_purchases(buyers((2, 30.43, 38.86)), 39)
    assert expected[0] == pytest.approx(1.226, abs=0.0005)


def test_the_parameters_that_made_the_data_are_found_again() -> None:
    data = simulated(CDNOW, 6000, 78, seed=1)
    found = fit(data)
    assert log_likelihood(found, data) >= log_likelihood(CDNOW, data)
    assert found.r == pytest.approx(CDNOW.r, rel=0.15)
    assert found.alpha == pytest.approx(CDNOW.alpha, rel=0.25)
    assert found.a / (found.a + found.b) == pytest.approx(0.793 / (0.793 + 2.426), rel=0.15)


def test_the_unit_of_time_does_not_matter() -> None:
    weeks = simulated(CDNOW, 2000, 78, seed=2)
    days = Buyers(weeks.repeats, weeks.last * 7, weeks.known * 7)
    in_weeks, in_days = fit(weeks), fit(days)
    assert in_days.r == pytest.approx(in_weeks.r, rel=1e-3)
    assert in_days.alpha == pytest.approx(in_weeks.alpha * 7, rel=1e-3)
    np.testing.assert_allclose(in_days.expected_purchases(days, 70), in_weeks.expected_purchases(weeks, 10), rtol=1e-2)


def test_who_was_seen_lately_is_likelier_to_be_alive() -> None:
    alive = CDNOW.alive(buyers((3, 10, 39), (3, 20, 39), (3, 39, 39), (0, 0, 39)))
    assert alive.tolist() == sorted(alive.tolist())
    assert alive[-1] == 1


def test_a_long_silence_after_many_purchases_means_gone_without_overflow() -> None:
    assert CDNOW.alive(buyers((2000, 10, 1e6)))[0] == pytest.approx(0)
    assert CDNOW.none_again(buyers((2000, 10, 1e6)), 39)[0] == pytest.approx(1)


def test_the_chance_of_no_purchase_agrees_with_what_happens() -> None:
    random = np.random.default_rng(3)
    customer = buyers((4, 30, 39))
    # Those of many simulated customers with this very history, by Bayes: draw from the prior, weigh by likelihood.
    rate, leaving = random.gamma(CDNOW.r, 1 / CDNOW.alpha, 400_000), random.beta(CDNOW.a, CDNOW.b, 400_000)
    stayed = (1 - leaving) ** 4 * np.exp(-rate * 39) * rate**4
    left = leaving * (1 - leaving) ** 3 * np.exp(-rate * 30) * rate**4
    none = (left + stayed * np.exp(-rate * 10)).sum() / (left + stayed).sum()
    assert CDNOW.none_again(customer, 10)[0] == pytest.approx(none, abs=0.01)


def test_the_median_is_that_of_simulated_customers() -> None:
    """The future of customers with this very history, drawn from prior times likelihood."""
    random = np.random.default_rng(4)
    draws = 300_000
    rate, leaving = random.gamma(CDNOW.r, 1 / CDNOW.alpha, draws), random.beta(CDNOW.a, CDNOW.b, draws)
    stayed = (1 - leaving) ** 12 * np.exp(-rate * 39) * rate**12
    left = leaving * (1 - leaving) ** 11 * np.exp(-rate * 38) * rate**12
    chosen = random.choice(draws, 20_000, p=(stayed + left) / (stayed + left).sum())
    alive = random.random(20_000) < (stayed / (stayed + left))[chosen]
    until_gone = random.geometric(leaving[chosen])
    bought = np.where(alive, np.minimum(random.poisson(rate[chosen] * 39), until_gone), 0)
    assert CDNOW.median_purchases(buyers((12, 38, 39)), 39)[0] == np.median(bought)
    assert CDNOW.median_purchases(buyers((0, 0, 39)), 39)[0] == 0


@pytest.mark.parametrize("data", [buyers(*[(1.0, 2.0, 5.0)] * 99), buyers(*[(0.0, 0.0, 5.0)] * 500)])
def test_too_few_customers_are_refused(data: Buyers) -> None:
    with pytest.raises(SettingsError, match="needs 100 customers of whom some bought again"):
        fit(data)
