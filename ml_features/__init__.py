"""Feature jobs and the reader."""

from .reader import Features
from .serving.answer import Answer
from .serving.store import AsyncFeatureStore, FeatureStore
from .settings import FeatureSettings
from .warehouse import connect

__all__ = ["Answer", "AsyncFeatureStore", "FeatureSettings", "FeatureStore", "Features", "connect"]
