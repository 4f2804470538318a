"""The model tier's jobs: trained, judged, kept in a bucket, scored here and as a Beam batch, and read."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud.storage import Blob

from shopstream.ml_features import model_reorders
from shopstream.ml_features.catalog import feature_table
from shopstream.ml_features.decisions.recommender import Recommender
from shopstream.ml_features.decisions.trace import is_of_model_tier, predicted_otherwise
from shopstream.ml_features.job import run
from shopstream.ml_features.model_reorders import train
from shopstream.ml_features.model_store import Champion, ModelStore, Overtaken
from shopstream.ml_features.models.artefact import Artefact, Judged, Provenance
from shopstream.ml_features.reader import Features
from shopstream.ml_features.serving.store import FeatureStore
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import append_rows
from shopstream.pipeline.storage import connect_to_storage
from shopstream.schemas import SettingsError, read_settings

from .conftest import patient

if TYPE_CHECKING:
    from ..conftest import Warehouse

AS_OF = date(2026, 3, 31)
END = datetime(2026, 4, 1, tzinfo=UTC)
USERS, DAYS, PRODUCTS = 120, 160, 25
BUCKET = "models-of-a-test"


@pytest.fixture
def environment(warehouse: "Warehouse", storage_address: str, lightgbm_loads: None) -> Mapping[str, str]:  # noqa: ARG001
    bucket = f"{BUCKET}-{abs(hash(warehouse.settings.bigquery_dataset)) % 10**9}"
    environment = {**warehouse.environment, "STORAGE_EMULATOR_HOST": storage_address, "MODELS_BUCKET": bucket}
    client = connect_to_storage(warehouse.settings.model_copy(update={"storage_emulator_host": storage_address}))
    client.create_bucket(bucket)
    return environment


def load_purchases(warehouse: "Warehouse", until: float = 0.0) -> None:
    """Every user buys two products of his own every 10 days or so, and one at random."""
    rows: list[dict[str, Any]] = []
    for user in range(USERS):
        random = np.random.default_rng(user)
        age = float(DAYS)
        while age > 1:
            moment = (END - timedelta(days=age)).isoformat()
            products = {(user * 7) % PRODUCTS, (user * 7 + 1) % PRODUCTS, int(random.integers(PRODUCTS))}
            rows += [
                {
                    "user_id": f"u{user:03}",
                    "product_id": f"p{product:02}",
                    "order_id": f"{user} {age:.3f}",
                    "status": "placed",
                    "ordered_at": moment,
                    "known_at": moment,
                    "quantity": 1,
                    "unit_price": 2,
                    "currency": "EUR",
                    "received_on": moment[:10],
                }
                for product in sorted(products)
                if age > until
            ]
            age -= random.exponential(10)
    place = f"{warehouse.settings.google_cloud_project}.{warehouse.settings.bigquery_dataset}_features.purchases"
    append_rows(warehouse.client, warehouse.client.get_table(place), rows)


def predictions(warehouse: "Warehouse") -> list[dict[str, object]]:
    return warehouse.rows("SELECT * FROM `{features}.model_reorders` ORDER BY user_id, `rank`")


@pytest.mark.timeout(600)
def test_a_model_is_trained_kept_judged_and_scores_everybody_here_and_in_batch(
    warehouse: "Warehouse", environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_reorders, "ROUNDS", 60)
    settings = read_settings(FeatureSettings, {**environment, "MODEL_REORDERS_MOST": "5"})
    load_purchases(warehouse)
    now = datetime.now(UTC)
    table = feature_table("model_reorders")
    assert run(warehouse.client, settings, table, AS_OF, now).rows == 0

    said: list[str] = []
    first = train(warehouse.client, settings, AS_OF - timedelta(days=20), now, said.append)
    assert first.judged.champion is None
    assert first.judged.promoted
    assert said[0] == "reading purchases"
    store = ModelStore(settings)
    champion = store.champion()
    assert champion is not None
    assert champion.artefact.version == first.artefact.version

    second = train(warehouse.client, settings, AS_OF, now)
    assert second.judged.champion is not None
    in_force = store.champion()
    assert in_force is not None
    assert in_force.artefact.version == (second.artefact.version if second.judged.promoted else first.artefact.version)

    assert run(warehouse.client, settings, table, AS_OF, now).rows == USERS * 5
    here = predictions(warehouse)
    assert {row["model_version"] for row in here} == {in_force.artefact.version}
    assert any(row["purchases"] == 0 for row in here)

    batch = read_settings(
        FeatureSettings,
        {
            **environment,
            "MODEL_REORDERS_MOST": "5",
            "SCORING_BEAM_OPTIONS": "--runner=FnApiRunner",
            "SCORING_DIRECTORY": str(tmp_path),
        },
    )
    assert run(warehouse.client, batch, table, AS_OF, now).rows == USERS * 5
    assert predictions(warehouse) == here
    assert list(tmp_path.iterdir()) == []

    of_model = settings.model_copy(update={"reorder_tier": "model"})
    with FeatureStore(warehouse.client, patient(of_model)) as features:
        decision = Recommender(features, of_model).recommend("u007", "next_basket", now, k=5)
        served = Features(features, of_model).reorders("u007", 3)
    assert decision.model_version == in_force.artefact.version
    assert is_of_model_tier(decision)
    scores = {row["product_id"]: row["probability"] for row in here if row["user_id"] == "u007"}
    assert {item.product_id: item.score for item in decision.items} == scores
    assert {item.source for item in decision.items} == {"bought_before", "like_others"}
    kept = ModelStore(settings).model(in_force.artefact.version)
    assert predicted_otherwise(decision, kept) == {}
    if second.judged.promoted:
        assert len(predicted_otherwise(decision, first.artefact)) == 5

    assert [each.rank for each in served.rows] == [1, 2, 3]
    assert {each.product_id for each in served.rows[:2]} == {"p24", "p00"}
    assert served.as_of == AS_OF


def test_training_says_what_is_missing(warehouse: "Warehouse", environment: Mapping[str, str]) -> None:
    now = datetime.now(UTC)
    settings = read_settings(FeatureSettings, environment)
    with pytest.raises(SettingsError, match="nothing was bought in the year up to this date"):
        train(warehouse.client, settings, AS_OF, now)
    none = read_settings(FeatureSettings, warehouse.environment)
    with pytest.raises(SettingsError, match="MODELS_BUCKET is not set"):
        train(warehouse.client, none, AS_OF, now)


def test_who_was_overtaken_does_not_take_the_others_place(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(_: Blob, __: bytes, *, if_generation_match: int, **___: object) -> None:
        asked.append(if_generation_match)  # the emulator looks at no precondition
        raise PreconditionFailed("conditionNotMet")

    monkeypatch.setattr(Blob, "upload_from_string", refuse)
    store = ModelStore(read_settings(FeatureSettings, environment))
    artefact = Artefact(Provenance(AS_OF, AS_OF, AS_OF, AS_OF, AS_OF, 1, "1"), {}, {}, {})
    for before, generation in ((None, 0), (Champion(artefact, 17), 17)):
        with pytest.raises(Overtaken, match="train again"):
            store.put_in_force(artefact, Judged(None, 0.5), before, END)
        assert asked[-1] == generation
