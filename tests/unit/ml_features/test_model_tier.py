"""The model tier as a whole: it learns, is judged beside a champion, and scores everybody; the future moves nothing."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from shopstream.ml_features.models.artefact import Artefact, from_bytes
from shopstream.ml_features.models.boosting import Boosted
from shopstream.ml_features.models.histories import Histories, histories
from shopstream.ml_features.models.model_tier import learn, probability_of, score_all
from shopstream.schemas import SettingsError

pytestmark = pytest.mark.usefixtures("lightgbm_loads")
AS_OF = date(2026, 3, 31)
USERS, DAYS, PRODUCTS = 150, 200, 30


def shop(*, last: float = 0.0) -> Histories:
    """Every user has three products of his own, bought every 10 days or so, and some bought at random."""
    rows = []
    for user in range(USERS):
        random = np.random.default_rng(user)
        day = -float(DAYS) + random.random() * 10
        while day < last:
            products = {(user * 7 + own) % PRODUCTS for own in range(3) if random.random() < 0.7}
            products |= {int(random.integers(PRODUCTS))}
            rows += [(user, day, product) for product in products]
            day += random.exponential(10)
    users, days, products_bought = (np.array(column) for column in zip(*rows, strict=True))
    basket = np.unique(users * 1e6 + days, return_inverse=True)[1]
    return histories(user=users, basket=basket, product=products_bought, day=days)


@pytest.fixture(scope="module")
def artefact(lightgbm_loads: None) -> Artefact:  # noqa: ARG001
    return learn(shop(), AS_OF, code_version="1", rounds=60, threads=1).artefact


def test_it_knows_its_days_and_its_worth(artefact: Artefact) -> None:
    found = artefact.provenance
    assert found.trained_from < found.trained_to < found.calibrated_to < found.as_of == AS_OF
    assert (found.calibrated_to, found.calibrated_from) == (date(2026, 3, 24), date(2026, 1, 31))
    assert artefact.metrics["auc_7_days"] > 0.7
    assert artefact.metrics["calibration_error_30_days"] < 0.1
    assert from_bytes(artefact.to_bytes()).version == artefact.version


def test_the_same_history_gives_the_same_model(artefact: Artefact) -> None:
    assert learn(shop(), AS_OF, code_version="1", rounds=60, threads=1).artefact.version == artefact.version


def test_everybody_is_scored_the_own_products_first(artefact: Artefact) -> None:
    known = shop()
    own = ranked = 0
    users = set()
    for block in score_all(artefact, known, most=10):
        assert (block.probability[30] >= block.probability[7]).all()
        users |= set(block.user.tolist())
        first = block.rank <= 3
        ranked += int(first.sum())
        product = known.product_ids[block.product[first]]
        own += int((((product - known.user_ids[block.user[first]] * 7) % PRODUCTS) < 3).sum())
        assert (np.bincount(block.user)[np.unique(block.user)] <= 10).all()
        assert np.isnan(block.days_since_last[block.purchases == 0]).all()
    assert users == set(range(known.users))
    assert own / ranked > 0.9


def test_what_is_bought_later_moves_no_score(artefact: Artefact) -> None:
    known, later = shop(), shop(last=20.0)
    assert len(later.basket_day) > len(known.basket_day)
    for block, same in zip(score_all(artefact, known, most=5), score_all(artefact, later, most=5), strict=True):
        np.testing.assert_array_equal(known.product_ids[block.product], later.product_ids[same.product])
        np.testing.assert_array_equal(block.probability[30], same.probability[30])


def test_the_champion_is_judged_on_the_same_window_and_stays_where_it_is_better(artefact: Artefact) -> None:
    again = learn(shop(), AS_OF, code_version="1", champion=artefact, rounds=60, threads=1).judged
    assert again.champion == again.challenger
    assert again.promoted
    scrambled = {
        horizon: replace(curve, probabilities=curve.probabilities[::-1])
        for horizon, curve in artefact.calibrations.items()
    }
    worse = replace(artefact, calibrations=scrambled)
    judged = learn(shop(), AS_OF, code_version="1", champion=worse, rounds=60, threads=1).judged
    assert judged.champion is not None
    assert judged.challenger < judged.champion


def test_an_input_that_is_no_longer_there_is_missing_and_a_new_one_not_looked_at(artefact: Artefact) -> None:
    model = artefact.models[7]
    names = model.names
    matrix = np.random.default_rng(1).random((20, len(names))).astype(np.float32)
    turned = probability_of(artefact, 7, [*names[::-1], "new"], np.column_stack([matrix[:, ::-1], matrix[:, 0]]))
    np.testing.assert_array_equal(turned, probability_of(artefact, 7, names, matrix))
    without = np.where(np.arange(len(names)) == 0, np.nan, matrix).astype(np.float32)
    np.testing.assert_array_equal(
        probability_of(artefact, 7, names[1:], matrix[:, 1:]), probability_of(artefact, 7, names, without)
    )
    assert isinstance(model, Boosted)


def test_a_short_history_cannot_be_learned_from() -> None:
    known = shop()
    with pytest.raises(SettingsError, match="to learn what is bought within 30 days it takes 118"):
        learn(replace(known, basket_day=known.basket_day / 2), AS_OF, code_version="1")
