"""The rules by which facts become a list of products: the same facts always give the same list."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from math import ceil
from operator import attrgetter

from shopstream.schemas.decision import DecidedItem, ItemSource
from shopstream.schemas.features import PersonaName
from shopstream.schemas.live.reorders import chance

from .facts import Facts
from .reasons import why_bought, why_new, why_popular, why_with_cart

NEW_SHARE = 0.1
"""Of a next basket at least so much is new to the user, for a list that only repeats shows nothing."""
NEW_SHARES: Mapping[PersonaName, float] = {"explorer": 0.3, "newcomer": 0.3}
"""The same of those personas who buy more that is new."""
CATEGORY_SHARE = 0.3
"""At most so much of a list is new and of one category."""


@dataclass(frozen=True)
class Considered:
    """A product that may come into the list."""

    product_id: str
    category: str | None
    score: float
    source: ItemSource
    reason: str

    @property
    def is_new(self) -> bool:
        """Whether the user has not bought it, as far as is known."""
        return self.source != "bought_before"


@dataclass(frozen=True)
class Decided:
    """A list, and the rules that had an effect on it."""

    items: tuple[DecidedItem, ...]
    rules: tuple[str, ...]


def decide(facts: Facts) -> Decided:
    """The first k products by these rules.

    Nothing that is in the cart, hidden from the user or not available. What the user bought before and what is new go
    by the chance of buying it; of a next basket a tenth at least is new, three tenths for who likes that; new products
    of one category are three tenths of a list at most; where too few are left, what sells fills up. Who does not allow
    personalization is shown what sells.
    """
    applied: Counter[str] = Counter()
    considered = list(_allowed(_considered(facts), facts, applied))
    popular = list(_allowed(_popular(facts), facts, applied))
    if facts.kind == "next_basket":
        chosen = _mixed(considered, facts, applied)
    else:
        chosen = list(_diverse(considered, facts.k, applied))[: facts.k]
    named = {each.product_id for each in chosen} | {fact.product_id for fact in facts.bought}
    room = 0 if facts.kind == "buy_again" else facts.k - len(chosen)
    filling = [each for each in popular if each.product_id not in named][:room]
    if filling:
        applied["popular"] = len(filling)
    if not facts.allowed:
        applied["not_personalised"] = 1
    if facts.unanswered:
        applied["unanswered"] = len(facts.unanswered)
    return Decided(
        tuple(
            DecidedItem(product_id=each.product_id, rank=rank, score=each.score, source=each.source, reason=each.reason)
            for rank, each in enumerate([*chosen, *filling], 1)
        ),
        tuple(f"{rule}: {count}" for rule, count in sorted(applied.items())),
    )


def _considered(facts: Facts) -> list[Considered]:
    """What the kind of list is made of, the greatest score first; a tie goes to the smaller product_id."""
    kinds = {
        "next_basket": (_bought, _new),
        "buy_again": (_bought,),
        "something_new": (_new,),
        "goes_with_cart": (_with_cart,),
    }
    found = chain.from_iterable(make(facts) for make in kinds[facts.kind])
    return sorted(found, key=lambda each: (-each.score, each.product_id))


def _bought(facts: Facts) -> Iterator[Considered]:
    for fact in facts.bought:
        if fact.inputs is not None:
            score = chance(facts.weights, fact.inputs)
        elif fact.probability is not None:
            score = fact.probability
        else:
            raise ValueError(f"neither inputs nor a probability of {fact.product_id!r} is known")
        yield Considered(fact.product_id, fact.category, score, "bought_before", why_bought(fact))


def _new(facts: Facts) -> Iterator[Considered]:
    # Between two nightly jobs a user may have bought what was new.
    bought = {fact.product_id for fact in facts.bought}
    for fact in facts.new:
        if fact.product_id in bought:
            continue
        yield Considered(fact.product_id, fact.category, fact.probability, fact.source, why_new(fact))


def _popular(facts: Facts) -> Iterator[Considered]:
    for fact in sorted(facts.popular, key=lambda each: (-each.share, each.product_id)):
        yield Considered(fact.product_id, fact.category, fact.share, "popular", why_popular(fact))


def _with_cart(facts: Facts) -> Iterator[Considered]:
    by_product = attrgetter("product_id")
    for product_id, group in groupby(sorted(facts.goes_with, key=by_product), key=by_product):
        pairs = list(group)
        score = sum(pair.affinity for pair in pairs)
        yield Considered(product_id, pairs[0].category, score, "goes_with", why_with_cart(pairs))


def _allowed(considered: Iterable[Considered], facts: Facts, applied: Counter[str]) -> Iterator[Considered]:
    """What is not in the cart, not hidden from the user, and can be bought."""
    for each in considered:
        if each.product_id in facts.cart:
            applied["in_cart"] += 1
        elif each.product_id in facts.hidden:
            applied["hidden"] += 1
        elif each.product_id in facts.unavailable:
            applied["unavailable"] += 1
        else:
            yield each


def _diverse(considered: Iterable[Considered], k: int, applied: Counter[str]) -> Iterator[Considered]:
    """Without new products of a category beyond its share of a list of k."""
    most, of_category = max(ceil(CATEGORY_SHARE * k), 1), Counter[str]()
    for each in considered:
        if each.is_new and each.category is not None:
            of_category[each.category] += 1
            if of_category[each.category] > most:
                applied["category_full"] += 1
                continue
        yield each


def _mixed(considered: Sequence[Considered], facts: Facts, applied: Counter[str]) -> list[Considered]:
    """The first k by score, of which the last give way to what is new until there is enough of it."""
    diverse = list(_diverse(considered, facts.k, applied))
    chosen, rest = diverse[: facts.k], diverse[facts.k :]
    share = NEW_SHARE if facts.persona is None else NEW_SHARES.get(facts.persona, NEW_SHARE)
    missing = ceil(share * facts.k) - sum(each.is_new for each in chosen)
    coming = [each for each in rest if each.is_new][: max(missing, 0)]
    if not coming:
        return chosen
    leaving = [each for each in chosen if not each.is_new][-len(coming) :]
    applied["room_for_new"] = len(coming)
    return [each for each in chosen if each not in leaving] + coming
