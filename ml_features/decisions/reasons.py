"""Why a product is in a list, in words that say nothing but the facts."""

from collections.abc import Sequence

from .facts import Bought, GoesWith, New, Popular

BOUGHT_ALIKE = "bought by customers who buy alike"
"""Of what is new to a user, where no figure says more."""
_YEAR = "in the last year"
_MONTH = "in the last 28 days"


def why_bought(fact: Bought) -> str:
    """Of what the user bought before: how often, how regularly, how long ago."""
    times = "once" if fact.purchases == 1 else f"{fact.purchases} times"
    every = "" if fact.mean_gap_days is None else f", every {_days(fact.mean_gap_days)} on average"
    return f"bought {times} {_YEAR}{every}, last {_days(fact.days_since_last)} ago"


def why_new(fact: New) -> str:
    """Of what the user has not bought: what speaks for it."""
    if fact.source == "goes_with" and fact.because is not None and fact.together_orders:
        return f"in {_count(fact.together_orders, 'order')} together with {fact.because}"
    if fact.source in ("goes_with", "same_buyers") and fact.because is not None and fact.together_users is not None:
        return f"bought by {_count(fact.together_users, 'customer')} who also bought {fact.because}"
    if fact.source == "in_category" and fact.category is not None and fact.buyers is not None:
        return f"bought by {_count(fact.buyers, 'customer')} {_MONTH}, from a category looked at: {fact.category}"
    if fact.source == "popular" and fact.buyers is not None:
        return f"bought by {_count(fact.buyers, 'customer')} {_MONTH}"
    return BOUGHT_ALIKE


def why_popular(fact: Popular) -> str:
    """Of what sells."""
    return f"bought by {_count(fact.buyers, 'customer')} {_MONTH}"


def why_with_cart(facts: Sequence[GoesWith]) -> str:
    """Of what goes with the cart, from the pair that says most."""
    strongest = max(facts, key=lambda fact: (fact.affinity, fact.in_cart))
    return f"in {_count(strongest.orders, 'order')} together with {strongest.in_cart}"


def _days(days: float) -> str:
    return _count(round(days), "day")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
