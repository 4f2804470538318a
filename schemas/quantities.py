"""Amounts, counts and places, with the bounds the tables put on them."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

_MOST = 2**63 - 1
"""BigQuery's INTEGER has 64 bits."""

Count = Annotated[int, Field(ge=0, le=_MOST)]
"""How many; from 0."""
Ordinal = Annotated[int, Field(ge=1, le=_MOST)]
"""Which one in an order; from 1."""
Money = Annotated[Decimal, Field(ge=0, max_digits=38, decimal_places=9)]
"""An exact amount in the currency named beside it; BigQuery NUMERIC."""
Quantity = Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=9)]
"""Pieces, or kilograms and litres of what is sold by measure; BigQuery NUMERIC."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 code."""
Milliseconds = Annotated[float, Field(ge=0, le=_MOST)]
"""A span of time."""
