"""The same insight without a language model: sentences that stand ready, filled with the figures."""

from collections.abc import Iterator, Mapping
from string import Formatter

from .figures import Figures, Value
from .written import Finding, Insight

_PERSONAS: Mapping[str, str] = {
    "browser": "looks and has not ordered",
    "newcomer": "has just begun to order",
    "lapsing": "has not ordered for long",
    "stock_up": "buys much at a time and seldom",
    "top_up": "buys little at a time and often",
    "explorer": "likes to buy what is new",
    "deal_seeker": "buys when it is cheap",
    "steady": "buys steadily",
}
_STEPS: Mapping[str, str] = {
    "visitor": "Show what sells, and make the first order easy.",
    "new": "Help with a second order soon: show what goes with the first.",
    "active": "Keep the usual products at hand, and show one or two new ones.",
    "slowing": "Remind of the usual products before they run out.",
    "lapsing": "Ask what is missing, with an offer on a usual product.",
    "lost": "A single message, and then leave in peace.",
}
_STEP_OF_A_SEGMENT = "Compare this segment with the others before doing anything, and measure what you do."


def from_template(subject: str, figures: Figures) -> Insight:
    """The insight that the figures allow; it holds to the same schema and the same checks as a model's."""
    values = figures.values
    who = _PERSONAS.get(str(values.get("persona")), "is known a little")
    findings = tuple(_of_segment(values) if figures.of == "segment" else _of_customer(values))
    if figures.of == "segment":
        headline, step = f"A segment that {who}", _STEP_OF_A_SEGMENT
    else:
        headline = f"A customer who {who}"
        step = _STEPS.get(str(values.get("lifecycle_stage")), _STEPS["visitor"])
    return Insight(subject=subject, headline=headline, findings=findings or (_nothing(values),), next_step=step)


def _of_customer(values: Mapping[str, Value]) -> Iterator[Finding]:
    yield from _sentences(
        values,
        "{orders} orders, one every {mean_days_between_orders} days; the last was {days_since_last_order} days ago.",
        "A basket holds {mean_basket_items} products for {mean_basket_value}.",
        "The chance of no order in the next 90 days is {churn_risk}; {expected_order_days} days with one are expected.",
        "Of {searches} searches a share of {search_order_share} ended in an order.",
    )


def _of_segment(values: Mapping[str, Value]) -> Iterator[Finding]:
    yield from _sentences(
        values,
        "{users} users, a share of {share_of_users} of all.",
        "They have {mean_orders} orders of {mean_basket_items} products on average.",
        "The mean chance of no order in the next 90 days is {mean_churn_risk}.",
    )


def _sentences(values: Mapping[str, Value], *forms: str) -> Iterator[Finding]:
    """Those of which every figure is known."""
    for form in forms:
        names = tuple(name for _, name, _, _ in Formatter().parse(form) if name)
        if values.keys() >= set(names):
            yield Finding(text=form.format(**{name: said(values[name]) for name in names}), figures=names)


def said(value: Value) -> str:
    """A figure as a sentence has it, with three decimals at most."""
    return value if isinstance(value, str) else f"{round(value, 3):g}"


def _nothing(values: Mapping[str, Value]) -> Finding:
    return Finding(text="There are no orders yet to say more of.", figures=(next(iter(values)),))
