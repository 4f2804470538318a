"""What other users' histories say: which products sell, which are bought again, and what users alike bought."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .histories import Floats, Histories, Ints, Lines, Moments, changes, known_lines
from .product_figures import product_figures

Scores = npt.NDArray[np.float32]

ALIKE = 300
"""How many of the most similar users are asked; more blur, fewer are noisy."""
FOLLOWERS = 100
"""How many products are kept that follow, or go with, one product."""
BASKET_DECAY = 0.9
"""What a basket counts beside the next later one in a user's likeness."""
RECENT_DECAY = 0.7
RECENT_BASKETS = 3
SMOOTHING = 3.0
"""Buyers added to every product before it is compared, so that one buyer proves nothing."""
SPREAD_CELLS = 5_000_000
"""Cells of a matrix spread out at once, 20 MB."""


class Neighbours:
    """What some users' histories, as known at moments (one a user), say to other users.

    Similarity of users is the cosine of their products, each weighted by 0.9 a basket of age and by the logarithm of
    how few buy it; a product's score is the sum over the users most alike (user-based nearest neighbours, as in
    Hu et al., Modeling Personalized Item Frequency Information for Next-basket Recommendation, SIGIR 2020, and Faggioli
    et al., Recency Aware Collaborative Filtering for Next Basket Recommendation, UMAP 2020).
    """

    def __init__(self, histories: Histories, moments: Moments) -> None:
        self.histories = histories
        lines = known_lines(histories, moments)
        count, products = len(moments), histories.products
        bought = _matrix(lines, BASKET_DECAY ** (lines.age_baskets - 1.0), count, products)
        at_all = _matrix(lines, np.ones(len(lines.product)), count, products)
        at_all.data[:] = 1
        buyers = np.bincount(at_all.indices, minlength=products)
        self._rarity = np.maximum(np.log(count / (1 + buyers)), 0.1)
        self._likeness = _unit_rows(self._weighted(bought))
        self._bought_unit = _unit_rows(bought)
        last = lines.age_baskets == 1
        self._last = _matrix(lines[last], np.ones(int(last.sum())), count, products)
        lately = lines.age_baskets <= RECENT_BASKETS
        self._lately = _matrix(lines[lately], RECENT_DECAY ** (lines.age_baskets[lately] - 1.0), count, products)
        before = ~last
        self._before = _unit_rows(
            self._weighted(_matrix(lines[before], BASKET_DECAY ** (lines.age_baskets[before] - 2.0), count, products))
        )
        baskets, basket_user = _baskets(lines, products)
        self._follows = _follows(baskets, basket_user)
        self._goes_with = _goes_with(baskets)
        self._same_buyers = _goes_with(at_all)
        self.figures = product_figures(histories, moments, lines)
        self.popular: Ints = np.lexsort((-buyers, -np.asarray(self._last.sum(axis=0)).ravel()))
        """The products from the most bought lately to the least."""

    def scores(self, lines: Lines, moments: int) -> Mapping[str, sparse.csr_matrix]:
        """Scores by name, a row a moment and a column a product; `lines` are what is known at the moments."""
        products = self.histories.products
        bought = _matrix(lines, BASKET_DECAY ** (lines.age_baskets - 1.0), moments, products)
        last_lines = lines.age_baskets == 1
        last = _matrix(lines[last_lines], np.ones(int(last_lines.sum())), moments, products)
        likeness = _unit_rows(self._weighted(bought))
        alike = _most_alike(likeness, self._likeness)
        return {
            "follows_last_basket": last @ self._follows,
            "follows_baskets": bought @ self._follows,
            "goes_with_last_basket": last @ self._goes_with,
            "same_buyers": bought @ self._same_buyers,
            "alike_bought": alike @ self._bought_unit,
            "alike_bought_last": alike @ self._last,
            "alike_bought_lately": alike @ self._lately,
            "alike_bought_next": _most_alike(likeness, self._before) @ self._last,
        }

    def _weighted(self, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
        return (matrix @ sparse.diags_array(self._rarity.astype(np.float32))).tocsr()


def at_pairs(matrix: sparse.csr_matrix, row: Ints, column: Ints) -> Scores:
    """Single values of a matrix, rows ascending. A slab of rows at a time is spread out: a search a value is slower."""
    values = np.empty(len(row), dtype=np.float32)
    step = max(1, SPREAD_CELLS // matrix.shape[1])
    for first in range(0, matrix.shape[0], step):
        begin, end = np.searchsorted(row, (first, first + step))
        values[begin:end] = matrix[first : first + step].toarray()[row[begin:end] - first, column[begin:end]]
    return values


def _matrix(lines: Lines, weight: Floats, rows: int, columns: int) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((weight.astype(np.float32), (lines.moment, lines.product)), shape=(rows, columns))
    matrix.sum_duplicates()
    return matrix


def _unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    length[length == 0] = 1
    return (sparse.diags_array((1 / length).astype(np.float32)) @ matrix).tocsr()


def _most_alike(asking: sparse.csr_matrix, asked: sparse.csr_matrix) -> sparse.csr_matrix:
    """The similarities to the ALIKE most similar rows, adding up to 1 a row."""
    similarity = (asking @ asked.T).toarray()
    kept = min(ALIKE, similarity.shape[1])
    chosen = np.argpartition(-similarity, kept - 1, axis=1)[:, :kept]
    weights = np.take_along_axis(similarity, chosen, axis=1)
    weights /= weights.sum(axis=1, keepdims=True) + 1e-9
    starts = np.arange(0, chosen.size + 1, kept)
    return sparse.csr_matrix((weights.ravel(), chosen.ravel(), starts), shape=similarity.shape)


def _baskets(lines: Lines, products: int) -> tuple[sparse.csr_matrix, Ints]:
    """Baskets by products, each user's in order of time, and whose each is."""
    new = changes(lines.basket)
    row = np.cumsum(new) - 1
    rows = int(row[-1]) + 1 if len(row) else 0
    matrix = sparse.csr_matrix((np.ones(len(row), dtype=np.float32), (row, lines.product)), shape=(rows, products))
    return matrix, lines.moment[new]


def _follows(baskets: sparse.csr_matrix, user: Ints) -> sparse.csr_matrix:
    """Product to product: how often the second was in the basket after one with the first, a basket's products sharing.

    A basket of n products gives each 1 / n; two chances are added, so that one occurrence proves little.
    """
    first = np.flatnonzero(user[1:] == user[:-1])
    size = np.asarray(baskets.sum(axis=1)).ravel()
    shared = sparse.diags_array((1 / size[first]).astype(np.float32)) @ baskets[first]
    chances = np.asarray(shared.sum(axis=0)).ravel()
    return _strongest(sparse.diags_array((1 / (chances + 2)).astype(np.float32)) @ (shared.T @ baskets[first + 1]))


def _goes_with(baskets: sparse.csr_matrix) -> sparse.csr_matrix:
    """Product to product: the smoothed cosine of the rows they stand in together; 0 for a product and itself."""
    scale = sparse.diags_array((1 / np.sqrt(np.asarray(baskets.sum(axis=0)).ravel() + SMOOTHING)).astype(np.float32))
    together = (baskets.T @ baskets).tocsr()
    together.setdiag(0)
    together.eliminate_zeros()
    return _strongest(scale @ together @ scale)


def _strongest(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The FOLLOWERS greatest of each row."""
    matrix = matrix.tocsr()
    kept = np.concatenate([strongest_of(matrix.data, begin, end, FOLLOWERS) for begin, end in pairwise(matrix.indptr)])
    row = np.repeat(np.arange(matrix.shape[0]), np.minimum(np.diff(matrix.indptr), FOLLOWERS))
    return sparse.csr_matrix((matrix.data[kept], (row, matrix.indices[kept])), shape=matrix.shape)


def strongest_of(values: npt.NDArray[np.float32], begin: int, end: int, count: int) -> Ints:
    """The places of the `count` greatest of values[begin:end], or of all where there are fewer."""
    if end - begin <= count:
        return np.arange(begin, end)
    return begin + np.argpartition(values[begin:end], end - begin - count)[end - begin - count :]
