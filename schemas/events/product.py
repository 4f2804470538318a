"""A product's data changed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..envelope import Event, event_table
from ..identifiers import Opaque
from ..quantities import Count, Currency, Money, Ordinal
from ..table import Table


class Product(Event):
    """What the catalogue says of a product from now on."""

    event_type: Literal["product"] = Field("product", description="Always `product`.")
    product_id: Opaque = Field(description="The product.")
    name: str = Field(min_length=1, max_length=1024, description="Its name as shown.")
    category: tuple[Opaque, ...] = Field((), max_length=16, description="Its category path, widest first.")
    brand: Opaque | None = Field(None, description="The brand it is sold under.")
    price: Money | None = Field(None, description="Price of one unit of sale, in `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code of price.")
    rating: Annotated[float, Field(ge=0, le=5)] | None = Field(None, description="Mean rating, 0 to 5.")
    rating_count: Count | None = Field(None, description="Number of ratings behind it.")
    rank: Ordinal | None = Field(None, description="Place among its category's best sellers, from 1.")
    availability: Literal["in_stock", "out_of_stock", "backorder", "preorder", "discontinued"] = Field(
        "in_stock", description="Whether it can be bought."
    )

    table: ClassVar[Table] = event_table("products", cluster_by=("product_id",))
