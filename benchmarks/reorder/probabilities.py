"""The Complete Journey: how likely is a pair bought at least twice to be bought again within 7 and 30 days?

As-of snapshots whose label windows do not overlap between training, calibration and test; features see only what was
bought before the day. Day 0 is 2017-01-01, the last day of the file 303.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from shopstream.ml_features.models import bgnbd
from shopstream.ml_features.models.bgnbd import Buyers
from shopstream.ml_features.models.boosting import Examples, train
from shopstream.ml_features.models.calibration import calibrate
from shopstream.ml_features.models.histories import (
    Flags,
    Floats,
    Histories,
    Ints,
    histories,
    known_lines,
    moments_on,
    pair_keys,
)
from shopstream.ml_features.models.model_tier import Snapshot, bought_after, snapshot
from shopstream.ml_features.models.pair_inputs import Matrix
from shopstream.ml_features.models.reorder import BOUGHT, logistic
from shopstream.ml_features.models.windows import windows
from shopstream.schemas.live.purchase_lines import PurchaseLine
from shopstream.schemas.live.reorders import SOON_DAYS

from .sql_tier import connect, give_weights, reorders_statement, unweighted_inputs

START = datetime(2017, 1, 1)  # noqa: DTZ001 - the shop's own clock
TRANSACTIONS, PRODUCTS = "completejourney_transactions.parquet", "completejourney_products.parquet"
TEST_DAYS = {7: (273, 280, 287, 294), 30: (273,)}
MOST_QUANTITY = 20


@dataclass(frozen=True)
class Predicted:
    """Probabilities of pairs, and what happened."""

    probability: Floats
    happened: Flags
    household: Ints


class Journey:
    """The households' purchases, and predictions about them by each tier."""

    def __init__(self, directory: Path) -> None:
        lines = parquet.read_table(directory / TRANSACTIONS)
        kinds = parquet.read_table(directory / PRODUCTS, columns=["product_id", "product_type"])
        kind = dict(zip(kinds["product_id"].to_pylist(), kinds["product_type"].to_pylist(), strict=True))
        product = lines["product_id"].to_numpy()
        category = np.array([kind.get(each) or "" for each in product.tolist()])
        moment = lines["transaction_timestamp"].to_numpy()
        quantity = np.clip(lines["quantity"].to_numpy(), 1, MOST_QUANTITY)
        self._snapshots: dict[float, Snapshot] = {}
        self._said: dict[int, tuple[Ints, pa.Table]] = {}
        self.histories: Histories = histories(
            user=lines["household_id"].to_numpy(),
            basket=lines["basket_id"].to_numpy(),
            product=product,
            day=(moment - np.datetime64(START)) / np.timedelta64(1, "D"),
            quantity=quantity.astype(np.float64),
            value=lines["sales_value"].to_numpy().astype(np.float64),
            group=category,
        )
        self.purchases = pa.table(
            {
                "user_id": lines["household_id"].cast(pa.string()),
                "product_id": lines["product_id"].cast(pa.string()),
                "category": compute.if_else(pa.array(category != ""), pa.array(category), None),
                "order_id": lines["basket_id"].cast(pa.string()),
                "ordered_at": lines["transaction_timestamp"],
                "quantity": pa.array(quantity),
                "unit_price": pa.array(lines["sales_value"].to_numpy() / quantity),
            }
        )

    def snapshot(self, day: float) -> Snapshot:
        """The model tier's inputs of the pairs bought at least twice before a day."""
        if day not in self._snapshots:
            known = snapshot(self.histories, day, explore=False)
            twice = known.matrix[:, known.names.index("purchases")] > 1
            self._snapshots[day] = Snapshot(known.keys[twice], known.names, known.matrix[twice])
        return self._snapshots[day]

    def model_tier(self, horizon: int) -> Predicted:
        """Boosted trees, calibrated on days between those trained on and those asked."""

        def answers(days: Sequence[float]) -> Flags:
            return np.concatenate([bought_after(self.histories, self.snapshot(day).keys, day, horizon) for day in days])

        def inputs(days: Sequence[float]) -> Matrix:
            return np.concatenate([self.snapshot(day).matrix for day in days])

        asked = TEST_DAYS[horizon]
        before = windows(asked[0], float(self.histories.basket_day.min()), horizon)
        bought = answers(before.trained)
        names = self.snapshot(asked[0]).names
        model = train(Examples(names, inputs(before.trained), bought, np.ones(len(bought))))
        curve = calibrate(model.scores(inputs(before.calibrated)), answers(before.calibrated))
        household = np.concatenate([self.snapshot(day).keys // self.histories.products for day in asked])
        return Predicted(curve.probability(model.scores(inputs(asked))), answers(asked), household)

    def per_pair_bgnbd(self, horizon: int) -> Predicted:
        """The peer: BG/NBD of each pair's own purchases, fitted on the day it is asked."""
        probability, happened, household = [], [], []
        for day in TEST_DAYS[horizon]:
            now = moments_on(self.histories, day)
            lines = known_lines(self.histories, now)
            keys = pair_keys(self.histories, now.user[lines.moment], lines.product)
            pair, at, count = np.unique(keys, return_inverse=True, return_counts=True)
            first, last = np.zeros(len(pair)), np.full(len(pair), np.inf)
            np.maximum.at(first, at, lines.age_days)
            np.minimum.at(last, at, lines.age_days)
            buyers = Buyers(count - 1.0, (first - last) / 7, first / 7)
            model = bgnbd.fit(buyers)
            twice = count > 1
            probability.append(1 - model.none_again(buyers, horizon / 7)[twice])
            happened.append(bought_after(self.histories, pair[twice], day, horizon))
            household.append(pair[twice] // self.histories.products)
        return _together(probability, happened, household)

    def sql_tier(self, horizon: int) -> Predicted:
        """The SQL text, its weights fitted on the reorders of 30 days before, as the job fits them."""
        column = "probability_7_days" if horizon == SOON_DAYS else "probability"
        probability, happened, household = [], [], []
        for day in TEST_DAYS[horizon]:
            keys, table = self._reorders(day)
            probability.append(table[column].to_numpy())
            happened.append(bought_after(self.histories, keys, day, horizon))
            household.append(keys // self.histories.products)
        return _together(probability, happened, household)

    def quantiles(self) -> "Quantiles":
        """Of the pairs whose 10 % (50 %) day lies within 30 days, the share bought before it."""
        (day,) = TEST_DAYS[max(BOUGHT)]
        keys, table = self._reorders(day)
        shares = []
        for name in ("next_in_days_early", "next_in_days_middle"):
            by = np.ceil(table[name].to_numpy())  # a day is the finest the comparison is made
            hit = np.zeros(len(by), dtype=np.bool_)
            for until in range(1, max(BOUGHT) + 1):
                hit[by == until] = bought_after(self.histories, keys[by == until], day, until)
            soon = by <= max(BOUGHT)
            shares.append((float(hit[soon].mean()), int(soon.sum())))
        return Quantiles(*shares)

    def spent(self, horizon: int) -> Floats:
        """What each household paid before the first day asked about, in dollars."""
        now = moments_on(self.histories, TEST_DAYS[horizon][0])
        lines = known_lines(self.histories, now)
        user = now.user[lines.moment]
        return np.bincount(user, weights=lines.value, minlength=self.histories.users).astype(np.float64)

    def orders(self, horizon: int) -> Floats:
        """How many baskets of each household were known then."""
        now = moments_on(self.histories, TEST_DAYS[horizon][0])
        return np.bincount(now.user, weights=now.known, minlength=self.histories.users).astype(np.float64)

    @property
    def last_day(self) -> date:
        """The last day on which something was bought."""
        return _as_of(int(self.histories.basket_day.max()) + 1)

    def lines_by_household(self) -> dict[int, list[PurchaseLine]]:
        """Every household's lines of the last year known."""
        found: dict[int, list[PurchaseLine]] = {}
        for row in self.purchases.to_pylist():
            line = PurchaseLine(
                product_id=row["product_id"],
                category=row["category"],
                order_id=row["order_id"],
                status="placed",
                ordered_at=row["ordered_at"].replace(tzinfo=UTC),
                quantity=float(row["quantity"]),
            )
            found.setdefault(int(row["user_id"]), []).append(line)
        return found

    def _reorders(self, day: int) -> tuple[Ints, pa.Table]:
        """What the SQL says on a day of the pairs bought at least twice."""
        if day not in self._said:
            pairs, matrix = unweighted_inputs(self._connection, _as_of(day - max(BOUGHT)))
            keys = self._keys(pairs)
            weights = {
                horizon: logistic(matrix, bought_after(self.histories, keys, day - max(BOUGHT), horizon))
                for horizon in BOUGHT
            }
            give_weights(self._connection, weights, _as_of(day))
            statement = (
                "SELECT user_id, product_id, probability::DOUBLE AS probability, "  # noqa: S608 - our own text
                "probability_7_days::DOUBLE AS probability_7_days, next_in_days_early::DOUBLE AS next_in_days_early, "
                "next_in_days_middle::DOUBLE AS next_in_days_middle "
                f"FROM ({reorders_statement(_as_of(day))}) WHERE purchases > 1"
            )
            table = self._connection.execute(statement).to_arrow_table()
            self._said[day] = self._keys(table), table
        return self._said[day]

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return connect(self.purchases)

    def _keys(self, table: pa.Table) -> Ints:
        user = np.searchsorted(self.histories.user_ids, table["user_id"].cast(pa.int64()).to_numpy())
        product = np.searchsorted(self.histories.product_ids, table["product_id"].cast(pa.int64()).to_numpy())
        return pair_keys(self.histories, user, product)


@dataclass(frozen=True)
class Quantiles:
    """How often the next purchase came by the day named with a chance of 10 % and 50 %, and of how many pairs."""

    early: tuple[float, int]
    middle: tuple[float, int]


def _together(probability: Sequence[Floats], happened: Sequence[Flags], household: Sequence[Ints]) -> Predicted:
    return Predicted(np.concatenate(probability), np.concatenate(happened), np.concatenate(household))


def _as_of(day: int) -> date:
    return (START + timedelta(days=day - 1)).date()
