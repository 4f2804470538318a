"""How Beam is to treat our batches: lists of lines, events or rows that travel as one element."""

import pickle
from typing import Any

from apache_beam import coders

_BYTES_A_THING = 500


class Batch(list[Any]):
    """The type that collections of batches are declared to have; the batches themselves may be any list."""


class BatchCoder(coders.Coder):
    """Pickles a batch where it must cross between workers, and tells its size without doing so.

    Beam samples the size of elements by encoding them, which for some hundred events costs more than reading them.
    """

    def encode(self, value: list[Any]) -> bytes:
        """The batch as bytes."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> list[Any]:
        """The batch again."""
        return pickle.loads(encoded)  # type: ignore[no-any-return]  # noqa: S301 - our own bytes, from our own worker

    def estimate_size(self, value: list[Any]) -> int:
        """About so many bytes."""
        return _BYTES_A_THING * len(value)

    def is_deterministic(self) -> bool:
        """Nothing is grouped by a batch."""
        return False

    def to_type_hint(self) -> type[Batch]:
        """What it encodes."""
        return Batch


coders.registry.register_coder(Batch, BatchCoder)
