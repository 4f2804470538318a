"""Lists of products for one user: facts from the warehouse, decided, and kept so that they can be decided again."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from google.cloud import bigquery

from shopstream.schemas import Unavailable
from shopstream.schemas.decision import DecidedItem, Decision, DecisionKind
from shopstream.schemas.warehouse import DECISIONS, dataset_id

from ..serving.store import FeatureStore
from ..settings import FeatureSettings
from ..warehouse import Parameter, Refused, ask, insert_rows
from .decide import decide
from .gather import Gathering
from .trace import decision_of

logger = logging.getLogger(__name__)

_DECISION = "SELECT * FROM decisions WHERE decision_id = @decision_id LIMIT 1"


class Recommender:
    """Decides what a user is shown. As the store it raises nothing: what nobody answers is missing, and noted."""

    def __init__(
        self, store: FeatureStore, settings: FeatureSettings, keep: Callable[[Decision], None] | None = None
    ) -> None:
        """Decide by what the store says; `keep` is handed each decision."""
        self._store, self._settings, self._keep = store, settings, keep

    def recommend(
        self,
        user_id: str,
        kind: DecisionKind,
        now: datetime,
        *,
        k: int = 10,
        cart: Sequence[str] | None = None,
    ) -> Decision:
        """A list of up to k products (1 to 100).

        Args:
            user_id: For whom; somebody unknown is shown what sells.
            kind: What list.
            now: When it is decided.
            k: How many products.
            cart: What is in the cart; None for what the user's live session says, where live features are kept.

        Raises:
            ValueError: k is out of range.
        """
        facts = Gathering(self._store, self._settings).facts(user_id, kind, k, cart)
        decision = decision_of(facts, decide(facts), user_id, now)
        if self._keep is not None:
            self._keep(decision)
        return decision


def keep_decision(client: bigquery.Client, settings: FeatureSettings, decision: Decision) -> None:
    """Add a decision to the table, where DECISIONS_KEPT. A list is worth serving even when it cannot be kept."""
    if not settings.decisions_kept:
        return
    place = f"{dataset_id(settings, DECISIONS.table.dataset)}.{DECISIONS.table.name}"
    try:
        insert_rows(client, place, [decision.model_dump(mode="json")])
    except (Unavailable, Refused) as error:
        logger.warning("decision %s was served and is not kept: %s", decision.decision_id, error)


def kept_decision(client: bigquery.Client, settings: FeatureSettings, decision_id: str) -> Decision | None:
    """A decision that was kept; None where there is none, or no more.

    Raises:
        Unavailable: BigQuery does not answer.
    """
    rows = ask(client, settings, _DECISION, [Parameter("decision_id", "STRING", decision_id)])
    if not rows:
        return None
    row = rows[0]
    items = tuple(DecidedItem.model_validate(item) for item in row["items"] or ())
    return Decision.model_validate({**row, "items": items, "rules": tuple(row["rules"] or ())})
