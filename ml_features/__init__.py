"""Feature jobs and the reader."""

from .reader import Features, ServedProfile, ServedReorders
from .settings import FeatureSettings
from .warehouse import connect

__all__ = ["FeatureSettings", "Features", "ServedProfile", "ServedReorders", "connect"]
