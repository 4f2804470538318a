"""The jobs of the model tier: train a model and judge it, and score every user with the one in force."""

import base64
import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime
from importlib.metadata import version
from itertools import chain
from math import log

import numpy as np
from google.cloud import bigquery

from shopstream.schemas.features import ModelReorder
from shopstream.schemas.live.reorders import HORIZON_DAYS, SOON_DAYS, next_in_days

from .catalog import FeatureTable, feature_table
from .model_store import ModelStore
from .models.artefact import Artefact
from .models.boosting import ROUNDS
from .models.histories import Histories
from .models.model_tier import Learned, Scored, learn, score_all
from .models.pair_inputs import Matrix
from .order_lines import histories_of
from .parameters import Days, parameters
from .settings import FeatureSettings
from .warehouse import Row, append_rows, rows_of

logger = logging.getLogger(__name__)

ROWS_A_LOAD = 100_000
INPUTS_KEPT = 20
"""Products of a user whose inputs are kept: those that are served."""


def read_histories(client: bigquery.Client, settings: FeatureSettings, as_of: date) -> Histories:
    """What was bought and kept in the year up to as_of, by users who allow it.

    Raises:
        SettingsError: Nothing was bought.
        Unavailable: BigQuery does not answer.
    """
    query = feature_table("model_reorders").query
    return histories_of(rows_of(client, settings, query, parameters(settings, Days(as_of, as_of), query)))


def train(
    client: bigquery.Client,
    settings: FeatureSettings,
    as_of: date,
    now: datetime,
    report: Callable[[str], None] = lambda _: None,
) -> Learned:
    """Train on what was known by the end of as_of, judge beside the champion, keep, and promote unless worse.

    The same history and champion give the same model and verdict.

    Raises:
        SettingsError: MODELS_BUCKET is not set, the history is too short, or LightGBM is not installed.
        Overtaken: Another training promoted its model meanwhile; this one is kept and not in force.
        Unavailable: BigQuery or Cloud Storage does not answer.
    """
    store = ModelStore(settings)
    champion = store.champion()
    report("reading purchases")
    histories = read_histories(client, settings, as_of)
    learned = learn(
        histories,
        as_of,
        code_version=version("shopstream"),
        champion=None if champion is None else champion.artefact,
        report=report,
        rounds=ROUNDS,
    )
    store.keep(learned.artefact)
    if learned.judged.promoted:
        store.put_in_force(learned.artefact, learned.judged, champion, now)
    return learned


def fill(
    client: bigquery.Client, settings: FeatureSettings, table: FeatureTable, days: Days, candidate: bigquery.Table
) -> None:
    """Score every user with the model in force, and load the predictions into the candidate, some at a time.

    Without MODELS_BUCKET, or before the first training, there is nothing to fill it with.

    Raises:
        Unavailable: BigQuery or Cloud Storage does not answer.
    """
    champion = None if settings.models_bucket is None else ModelStore(settings).champion()
    if champion is None:
        logger.info("%s stays empty: no model is in force; see shopstream-features train", table.name)
        return
    histories = read_histories(client, settings, days.last)
    if settings.scoring_beam_options is None:
        blocks: Iterator[list[Row]] = scored_rows(champion.artefact, histories, days.last, settings.model_reorders_most)
    else:
        from .batch_scoring import score_in_batch

        blocks = score_in_batch(settings, champion.artefact, histories, days.last)
    waiting: list[Row] = []
    for rows in chain(blocks, ([],)):
        waiting += rows
        if len(waiting) >= ROWS_A_LOAD or (not rows and waiting):
            append_rows(client, candidate, waiting)
            waiting = []


def scored_rows(artefact: Artefact, histories: Histories, as_of: date, most: int) -> Iterator[list[Row]]:
    """The rows of model_reorders, a block of users at a time."""
    for scored in score_all(artefact, histories, most=most):
        yield rows_of_block(scored, histories, as_of, artefact.version)


def rows_of_block(scored: Scored, histories: Histories, as_of: date, model_version: str) -> list[Row]:
    """The rows of a block of users."""
    columns = (
        histories.user_ids[scored.user].tolist(),
        histories.product_ids[scored.product].tolist(),
        scored.rank.tolist(),
        scored.probability[HORIZON_DAYS].tolist(),
        scored.probability[SOON_DAYS].tolist(),
        scored.purchases.tolist(),
        [None if np.isnan(days) else float(days) for days in scored.days_since_last],
        [
            to_text(inputs) if rank <= INPUTS_KEPT else None
            for rank, inputs in zip(scored.rank.tolist(), scored.inputs, strict=True)
        ],
    )
    rows = []
    for user, product, rank, later, soon, purchases, since_last, inputs in zip(*columns, strict=True):
        early, middle, late = next_in_days(_log_odds(later), _log_odds(soon))
        row = ModelReorder(
            as_of=as_of,
            user_id=user,
            product_id=product,
            rank=rank,
            probability=later,
            probability_7_days=soon,
            next_in_days_early=early,
            next_in_days_middle=middle,
            next_in_days_late=late,
            purchases=purchases,
            days_since_last=since_last,
            model_version=model_version,
            inputs=inputs,
        )
        rows.append(row.model_dump(mode="json"))
    return rows


def to_text(inputs: Matrix) -> str:
    """A row of inputs as `model_reorders` keeps it."""
    return base64.b64encode(inputs.astype("<f4").tobytes()).decode()


def from_text(inputs: str) -> Matrix:
    """The row of inputs that `to_text` wrote."""
    return np.frombuffer(base64.b64decode(inputs), dtype="<f4").astype(np.float32)


def _log_odds(probability: float) -> float:
    return log(probability / (1 - probability))
