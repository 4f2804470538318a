"""The rows of the feature tables: one file each, gathered in one list."""

from pydantic import BaseModel

FEATURE_TABLES: tuple[type[BaseModel], ...] = ()
