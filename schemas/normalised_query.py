"""Queries as they are compared with each other, and with lists of words."""

import unicodedata


def normalised(query: str) -> str:
    """No capitals, no accents, compatibility forms as plain ones (NFKD), typographic apostrophes as plain ones."""
    if query.isascii():
        return query.lower()
    apart = unicodedata.normalize("NFKD", query.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def normalised_query(query: str) -> str:
    """The same with single spaces between words and none around: equal where a shopper would see no difference."""
    return " ".join(normalised(query).split())
