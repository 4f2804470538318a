"""The model tier as a whole: learn from a history, judge beside the champion, score users. Days count from any one day.

Neither looks at a clock, a warehouse or a bucket; ml_features/model_reorders.py does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from .artefact import Artefact, Judged, Provenance
from .boosting import ROUNDS, Boosted, Examples, crossed_inputs, train
from .calibration import Calibration, calibrate
from .evaluate import calibration_error
from .histories import Flags, Floats, Histories, Ints, Moments, bought_within, is_among, moments_on, pair_keys
from .pair_inputs import Matrix, PairInputs
from .reorder import BOUGHT
from .windows import Windows, windows

MOST_USERS_A_SNAPSHOT = 5_000
"""More are thinned out: of a user and a hundred products there are a hundred examples."""
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Snapshot:
    """Pairs worth scoring as they are known on a day."""

    keys: Ints
    """user number · products + product number."""
    names: tuple[str, ...]
    matrix: Matrix


def snapshot(histories: Histories, day: float, *, explore: bool = True, most_users: int | None = None) -> Snapshot:
    """The pairs of the users known on a day, from neighbours among which the user is not.

    With `most_users` every so many-th user is taken, so that about that many are; all are neighbours.
    """
    now = moments_on(histories, day)
    stride = 1 if most_users is None else -(-len(now) // most_users)
    parts = list(crossed_inputs(histories, now, now[::stride], explore=explore))
    return Snapshot(
        np.concatenate(
            [pair_keys(histories, moments.user[inputs.moment], inputs.product) for moments, inputs in parts]
        ),
        parts[0][1].names,
        np.concatenate([inputs.matrix for _, inputs in parts]),
    )


def bought_after(histories: Histories, keys: Ints, day: float, horizon: float) -> Flags:
    """Which pairs of a user and a product, by their keys, were bought within the horizon after the day."""
    now = moments_on(histories, day)
    moment, product = np.divmod(bought_within(histories, now, horizon), histories.products)
    return is_among(keys, np.sort(pair_keys(histories, now.user[moment], product)))


@dataclass(frozen=True)
class Learned:
    """A model with what it is worth beside the champion on the window both are judged by."""

    artefact: Artefact
    judged: Judged


def learn(
    histories: Histories,
    as_of: date,
    *,
    code_version: str,
    champion: Artefact | None = None,
    report: Callable[[str], None] = lambda _: None,
    rounds: int = ROUNDS,
    threads: int = 0,
) -> Learned:
    """A model of what was bought up to as_of, and how it does beside the champion on the latest window.

    The days of the histories count back from the end of as_of, which is 0.

    Raises:
        SettingsError: The history is too short, or LightGBM is not installed.
        ValueError: Nothing at all, or everything, was bought again.
    """
    first = float(histories.basket_day.min())
    every = [windows(-float(horizon), first, horizon) for horizon in BOUGHT]
    models: dict[int, Boosted] = {}
    calibrations: dict[int, Calibration] = {}
    metrics: dict[str, float] = {}
    losses: list[float] = []
    champion_losses: list[float] = []
    pairs = 0
    for window in every:
        horizon = window.horizon
        report(f"{horizon} days: learning from {len(window.trained)} snapshots")
        examples = _examples(histories, window.trained, horizon)
        pairs += len(examples.bought)
        model = train(examples, rounds=rounds, threads=threads)
        report(f"{horizon} days: calibrating")
        between = _examples(histories, window.calibrated, horizon)
        curve = calibrate(model.scores(between.matrix), between.bought)
        models[horizon], calibrations[horizon] = model, curve
        report(f"{horizon} days: judging")
        asked = _examples(histories, (window.judged,), horizon)
        probability = _probability(model, curve, asked.names, asked.matrix)
        losses.append(_log_loss(probability, asked.bought))
        metrics |= {f"log_loss_{horizon}_days": losses[-1], **_metrics(probability, asked.bought, horizon)}
        if champion is not None:
            theirs = probability_of(champion, horizon, asked.names, asked.matrix)
            champion_losses.append(_log_loss(theirs, asked.bought))
    return Learned(
        Artefact(_provenance(as_of, every, pairs, code_version), models, calibrations, metrics),
        Judged(None if champion is None else float(np.mean(champion_losses)), float(np.mean(losses))),
    )


def _provenance(as_of: date, every: Sequence[Windows], pairs: int, code_version: str) -> Provenance:
    def day(days: float) -> date:
        return as_of + timedelta(days=1 + round(days))

    return Provenance(
        as_of=as_of,
        trained_from=day(min(each.trained[-1] for each in every)),
        trained_to=day(max(each.trained_to for each in every) - 1),
        calibrated_from=day(min(each.calibrated[-1] for each in every)),
        calibrated_to=day(max(each.calibrated_to for each in every) - 1),
        pairs=pairs,
        code_version=code_version,
    )


def probability_of(artefact: Artefact, horizon: int, names: Sequence[str], matrix: Matrix) -> Floats:
    """The probability of each row by an artefact; an input that it knows and that is not given is missing."""
    return _probability(artefact.models[horizon], artefact.calibrations[horizon], names, matrix)


def _probability(model: Boosted, curve: Calibration, names: Sequence[str], matrix: Matrix) -> Floats:
    found = curve.probability(model.scores(_in_order(model.names, names, matrix)))
    return np.clip(found, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


@dataclass(frozen=True)
class Scored:
    """The pairs of a block of users, by user, the most probable first."""

    user: Ints
    product: Ints
    rank: Ints
    """From 1."""
    probability: Mapping[int, Floats]
    """By horizon; never less for a longer one."""
    purchases: Ints
    """0 of what the user has not bought."""
    days_since_last: Floats
    """NaN likewise."""
    inputs: Matrix
    """What the probabilities were computed from, in the order of `names_of` the artefact."""


def score(artefact: Artefact, moments: Moments, inputs: PairInputs, *, most: int) -> Scored:
    """The `most` most probable products of each user of a block, with both probabilities."""
    soon, later = (probability_of(artefact, horizon, inputs.names, inputs.matrix) for horizon in sorted(BOUGHT))
    later = np.maximum(soon, later)
    user = moments.user[inputs.moment]
    order = np.lexsort((inputs.product, -soon, -later, user))
    starts = np.searchsorted(user[order], user[order])
    rank = np.arange(len(order)) - starts + 1
    kept = order[rank <= most]

    def column(name: str) -> Floats:
        values: Floats = inputs.matrix[kept, inputs.names.index(name)]
        return values

    return Scored(
        user[kept],
        inputs.product[kept],
        rank[rank <= most],
        {min(BOUGHT): soon[kept], max(BOUGHT): later[kept]},
        np.nan_to_num(column("purchases")).astype(np.int64),
        column("days_since_last"),
        _in_order(names_of(artefact), inputs.names, inputs.matrix[kept]),
    )


def names_of(artefact: Artefact) -> tuple[str, ...]:
    """The inputs of an artefact, in its order."""
    return artefact.models[max(BOUGHT)].names


def chance_of(artefact: Artefact, matrix: Matrix) -> Floats:
    """The probability within the longer horizon that `score` gives these inputs, in the order of `names_of`."""
    names = names_of(artefact)
    soon, later = (probability_of(artefact, horizon, names, matrix) for horizon in sorted(BOUGHT))
    return np.maximum(soon, later)


def score_all(artefact: Artefact, histories: Histories, *, most: int) -> Iterator[Scored]:
    """Every user known before day 0, a block at a time."""
    now = moments_on(histories, 0.0)
    for moments, inputs in crossed_inputs(histories, now, now):
        yield score(artefact, moments, inputs, most=most)


def _examples(histories: Histories, days: Sequence[float], horizon: int) -> Examples:
    parts = []
    for day in days:
        known = snapshot(histories, day, most_users=MOST_USERS_A_SNAPSHOT)
        bought = bought_after(histories, known.keys, day, horizon)
        parts.append(Examples(known.names, known.matrix, bought, np.ones(len(bought))))
    return Examples.together(parts)


def _in_order(wanted: Sequence[str], names: Sequence[str], matrix: Matrix) -> Matrix:
    if tuple(names) == tuple(wanted):
        return matrix
    place = {name: at for at, name in enumerate(names)}
    missing = np.full(len(matrix), np.nan, dtype=np.float32)
    return np.column_stack([matrix[:, place[name]] if name in place else missing for name in wanted])


def _log_loss(probability: Floats, bought: Flags) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(bought, probability, labels=[False, True]))


def _metrics(probability: Floats, bought: Flags, horizon: int) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    happened = bought.astype(np.float64)
    return {
        f"auc_{horizon}_days": float(roc_auc_score(bought, probability)),
        f"calibration_error_{horizon}_days": calibration_error(probability, happened),
        f"pairs_judged_{horizon}_days": float(len(bought)),
    }
