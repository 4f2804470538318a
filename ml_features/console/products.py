"""How products stand: scores in their category, days, and the searches they are found by."""

from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import Request, Response

from shopstream.schemas.serving.views import PRODUCTS

from ..api.products import ProductId
from ..serving.answer import answered
from ..warehouse import Parameter, Row
from .console import Console

MOST = 50
DAYS = 90
_LIST = """
SELECT product_id, name, category, category_rank, category_products, score, price_score, rating_score, popularity_score,
  price, currency, rating, rating_count, as_of
FROM `{aggregates}.product_scores`
WHERE as_of >= @oldest AND (@category = '' OR category = @category)
  AND (@words = '' OR STRPOS(LOWER(CONCAT(IFNULL(name, ''), ' ', product_id)), LOWER(@words)) > 0)
QUALIFY as_of = MAX(as_of) OVER ()
ORDER BY score DESC NULLS LAST, product_id
LIMIT 50"""
_CATEGORIES = """
SELECT category, MAX(category_products) AS products
FROM `{aggregates}.product_scores`
WHERE as_of >= @oldest
GROUP BY category
ORDER BY category"""
_HISTORY = """
SELECT as_of, score, price_score, rating_score, popularity_score, category, category_rank, category_products, price,
  currency, median_price, rating, rating_count, views, cart_adds, orders, name
FROM `{aggregates}.product_scores`
WHERE product_id = @product_id AND as_of >= @oldest
ORDER BY as_of"""
_DAYS = """
SELECT day, shown, views + clicks AS views, cart_adds, orders, `returns`, units, revenue, currency
FROM `{aggregates}.product_days`
WHERE product_id = @product_id AND day BETWEEN @oldest AND @last_day
ORDER BY day"""
_QUERIES = """
SELECT query, users, clicked, carted, ordered, as_of, window_days
FROM `{aggregates}.product_queries`
WHERE product_id = @product_id AND as_of >= @oldest
QUALIFY as_of = MAX(as_of) OVER ()
ORDER BY users DESC, query
LIMIT 20"""


class Products:
    """The pages about products."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def find(self, request: Request, words: str = "", category: str = "") -> Response:
        """The products with the best scores, of a category or with these words in their name."""
        words, category = words.strip()[:200], category[:256]
        figures = await self._console.read(
            ("products", words, category),
            {"products": partial(self._list, words, category), "categories": self._categories},
        )
        values = {"title": "Products", "words_sought": words, "category": category, "most": MOST, **figures}
        return self._console.show(request, "products.html", values)

    async def product(self, request: Request, product_id: ProductId) -> Response:
        """Its scores over time, its days, and the funnel by query."""
        figures = await self._console.read(
            ("product", product_id),
            {
                "known": lambda: answered(self._console.desk.patient_store.get(PRODUCTS, product_id)).row,
                "history": partial(self._of, _HISTORY, product_id, 365),
                "days": partial(self._of, _DAYS, product_id, DAYS),
                "queries": partial(self._of, _QUERIES, product_id, 120),
            },
        )
        values: dict[str, Any] = {"title": product_id, "product_id": product_id, **figures}
        return self._console.show(request, "product.html", values)

    def _list(self, words: str, category: str) -> list[Row]:
        texts = [Parameter("words", "STRING", words), Parameter("category", "STRING", category)]
        return self._console.ask(_LIST, self._oldest(28), *texts)

    def _categories(self) -> list[Row]:
        return self._console.ask(_CATEGORIES, self._oldest(28))

    def _of(self, statement: str, product_id: str, days: int) -> list[Row]:
        parameters = [Parameter("product_id", "STRING", product_id), self._oldest(days)]
        if "@last_day" in statement:
            parameters.append(Parameter("last_day", "DATE", self._console.latest_day()))
        return self._console.ask(statement, *parameters)

    def _oldest(self, days: int) -> Parameter:
        return Parameter("oldest", "DATE", self._console.latest_day() - timedelta(days=days))
