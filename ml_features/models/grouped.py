"""Rows by key, as arrays: sums, ends and gaps a key."""

import numpy as np

from .histories import Floats, Ints, changes


class Grouped:
    """Rows by key, those of a key from the latest (the smallest age) to the oldest. One value a key, by key."""

    def __init__(self, keys: Ints, age: Floats) -> None:
        self.order = np.lexsort((age, keys))
        sorted_keys = keys[self.order]
        self.starts = np.flatnonzero(changes(sorted_keys))
        self.keys = sorted_keys[self.starts]
        self.count = np.diff(np.append(self.starts, len(keys))).astype(np.float64)

    def sum(self, values: Floats) -> Floats:
        """The values of each key added up."""
        return np.add.reduceat(values[self.order].astype(np.float64), self.starts)

    def latest(self, values: Floats) -> Floats:
        """The value of the latest row of each key."""
        return values[self.order][self.starts]

    def oldest(self, values: Floats) -> Floats:
        """The value of the oldest row of each key."""
        return values[self.order][self.starts + self.count.astype(np.int64) - 1]

    def second(self, values: Floats) -> Floats:
        """The value of the row before the latest; NaN where there is one row."""
        at = np.minimum(self.starts + 1, len(self.order) - 1)
        return np.where(self.count > 1, values[self.order][at], np.nan)

    def gaps(self, age: Floats) -> tuple[Floats, Floats]:
        """Median and standard deviation of the time from row to row; NaN where there is no gap, or only one."""
        ages = age[self.order].astype(np.float64)
        key = np.repeat(np.arange(len(self.keys)), self.count.astype(np.int64))
        within = key[1:] == key[:-1]
        gap, key = (ages[1:] - ages[:-1])[within], key[1:][within]
        count = np.bincount(key, minlength=len(self.keys))
        mean = np.bincount(key, weights=gap, minlength=len(self.keys)) / np.maximum(count, 1)
        square = np.bincount(key, weights=gap**2, minlength=len(self.keys)) / np.maximum(count, 1)
        ordered = gap[np.lexsort((gap, key))]
        begin = np.cumsum(count) - count
        middle = np.full(len(self.keys), np.nan)
        some = count > 0
        low, high = begin[some] + (count[some] - 1) // 2, begin[some] + count[some] // 2
        middle[some] = (ordered[low] + ordered[high]) / 2
        deviation = np.where(count > 1, np.sqrt(np.maximum(square - mean**2, 0)), np.nan)
        return middle, deviation
