"""Models are kept by a client that only the model tier installs."""

import sys

import pytest

from shopstream.ml_features import FeatureSettings
from shopstream.ml_features.model_store import ModelStore
from shopstream.schemas import SettingsError, read_settings


def test_without_the_client_of_cloud_storage_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    settings = read_settings(FeatureSettings, {"GOOGLE_CLOUD_PROJECT": "shopstream-test", "MODELS_BUCKET": "models"})
    with pytest.raises(SettingsError, match=r"pip install 'shopstream\[features,models\]'"):
        ModelStore(settings)
