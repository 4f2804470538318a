"""The route about products."""

from datetime import date
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request, Response

from shopstream.schemas.features import ProductDay
from shopstream.schemas.identifiers import Opaque
from shopstream.schemas.serving.served import ServedProductPopularity
from shopstream.schemas.serving.views import PRODUCTS

from .answers import chosen_fields, cursor_of, meta_of, not_found, picked, position_in, respond
from .desk import Desk
from .history import DAY_FIELDS, Page, product_days
from .openapi import data_doc, errors, row_doc
from .route import needs
from .users import Cursor, FieldNames

_PRODUCT = ServedProductPopularity.__struct_fields__
_RATES = {name: {"type": ["number", "null"], "minimum": 0} for name in ("click_rate", "orders_per_click")}
ProductId = Annotated[Opaque, Path(description="The product.")]


def add_product_routes(app: FastAPI, desk: Desk) -> None:
    """Add the routes, over what stands behind them."""
    days_doc = row_doc(ProductDay, DAY_FIELDS)
    days_doc["properties"] |= _RATES
    data = {
        "type": "object",
        "required": ["product", "days"],
        "properties": {
            "product": {"anyOf": [row_doc(PRODUCTS.model, _PRODUCT), {"type": "null"}]},
            "days": {"type": "array", "items": days_doc},
        },
    }

    @app.get(
        "/v1/products/{product_id}/performance",
        summary="How a product does",
        description="What is known of it at present, or null, and its days, the latest first; `fields` are theirs.",
        tags=["products"],
        openapi_extra=needs("read"),
        responses=data_doc(data) | errors(400, 404),
    )
    async def performance(
        request: Request,
        product_id: ProductId,
        limit: Annotated[int, Query(ge=1, le=366, description="How many days.")] = 28,
        cursor: Cursor = None,
        fields: FieldNames = None,
    ) -> Response:
        chosen = chosen_fields(fields, DAY_FIELDS, DAY_FIELDS)
        scope = ("performance", product_id)
        before = position_in(cursor, scope, date) or desk.tomorrow
        product = await desk.get(PRODUCTS, product_id)
        days = await desk.apart(partial(product_days, desk.client, desk.settings, product_id, Page(before, limit + 1)))
        if product.row is None and product.source != "default" and not days and cursor is None:
            raise not_found("such product")
        more = cursor_of(scope, str(days[limit - 1]["day"])) if len(days) > limit else None
        data = {
            "product": None if product.row is None else picked(product.row, _PRODUCT),
            "days": [picked(day, chosen) for day in days[:limit]],
        }
        return respond(request, data, meta_of(product) | {"next_cursor": more})
