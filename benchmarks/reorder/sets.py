"""The sets of the next-basket protocol: how each is split, what is published of it, and what we set out to reach."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import next_basket, recommended
from .measures import ByUser
from .next_basket import Split


@dataclass(frozen=True)
class NextBasketSet:
    """A file, and who is trained on and asked in it."""

    title: str
    file: str
    trained: str | None
    """The split whose last baskets are learned from; None to draw five folds by user."""
    asked: str | None
    published: str
    """The best published result known to us: recall, NDCG and hits at 10."""
    reach: tuple[float | None, float | None, float | None]

    def splits(self, directory: Path) -> Iterator[Split]:
        """Each split of the set."""
        histories, name = next_basket.read(directory / self.file)
        if self.trained is not None:
            yield Split(histories, name == self.trained, name == self.asked)
            return
        for trained, asked in next_basket.folds(histories.users, seed=0):
            yield Split(histories, trained, asked)


NEXT_BASKET_SETS = (
    NextBasketSet(
        "Ta-Feng, DNNTSP's split",
        "nbr_dnntsp_tafeng.parquet",
        "train",
        "test",
        ".1752 / .1517 / .4789",
        (0.200, 0.182, 0.525),
    ),
    NextBasketSet(
        "Ta-Feng, NBR fairness",
        "nbr_tafeng_nbrfairness.parquet",
        "val",
        "test",
        "TIFU-KNN .160 / .148 / .467",
        (0.190, 0.179, 0.520),
    ),
    NextBasketSet(
        "Ta-Feng, Reality Check, five folds",
        "nbr_tafeng_realitycheck.parquet",
        None,
        None,
        "TIFU-KNN .156 / .135 / .461",
        (0.186, 0.167, 0.515),
    ),
    NextBasketSet(
        "Carbo-Loading (DC), validate",
        "nbr_dnntsp_dc_trainval.parquet",
        "train",
        "validate",
        ".4615 / .3260 / -",
        (0.490, 0.357, None),
    ),
    NextBasketSet(
        "TMS, validate",
        "nbr_dnntsp_tms_trainval.parquet",
        "train",
        "validate",
        ".4748 / .3782 / -",
        (0.520, 0.425, None),
    ),
)
MODEL_TIER = "shopstream, model tier"
CONTESTANTS = {
    MODEL_TIER: next_basket.model_tier,
    "shopstream, SQL tier": recommended.sql_tier,
    "TIFU-KNN, run here": next_basket.tifu_knn,
    "personal frequency, then popularity": next_basket.frequency,
    "popularity": next_basket.popularity,
}


def measured(which: NextBasketSet, directory: Path) -> dict[str, list[ByUser]]:
    """Every contestant on every split of the set."""
    splits = list(which.splits(directory))
    return {
        name: [contestant(split, ideal_over_all=which.trained is None) for split in splits]
        for name, contestant in CONTESTANTS.items()
    }
