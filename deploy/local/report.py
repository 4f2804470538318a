"""What the demo prints: three customers, and the count that proves nothing was lost."""

from calendar import day_name
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from shopstream.ml_features.outlooks import HORIZON_DAYS
from shopstream.ml_features.serving.answer import Source
from shopstream.schemas.features import next_in_words
from shopstream.schemas.serving.served import ServedProfile

from .features import Customer
from .walk import Walked

_WIDTH = 100
_WHERE: Mapping[Source, str] = {"redis": "Redis", "warehouse": "the warehouse", "default": "nowhere"}


def print_customers(customers: Sequence[Customer], out: TextIO, *, searches_are: str) -> None:
    """Each customer's profile, and what they are likely to buy again; `searches_are` says how searches came to be."""
    for customer in customers:
        profile = customer.profile
        title = f"{customer.user_id} (from {_WHERE[customer.source]})"
        print(f"\n── {title} {'─' * (_WIDTH - len(title) - 4)}", file=out)
        print(
            f"   {profile.orders:,} orders worth {profile.spend:,.2f} {profile.currency}, "
            f"last {profile.last_order_at:%Y-%m-%d}; a basket is {profile.mean_basket_items:.0f} products "
            f"for {profile.mean_basket_value:.2f} {profile.currency}",
            file=out,
        )
        print(f"   {_habits(profile, searches_are)}", file=out)
        if profile.expected_order_days is not None:
            print(
                f"   {profile.lifecycle_stage}; orders expected on {profile.expected_order_days:.0f} "
                f"of the next {HORIZON_DAYS} days",
                file=out,
            )
        if profile.favourite_categories:
            print(f"   favourites: {', '.join(profile.favourite_categories[:3])}", file=out)
        print("   likely to buy again, within 7 and 30 days, and when (10 to 90 % of chances):", file=out)
        for reorder in customer.reorders:
            name = customer.product_names.get(reorder.product_id, reorder.category or "")
            print(
                f"   {reorder.probability_7_days or 0:>6.1%} {reorder.probability:>6.1%}  {next_in_words(reorder):<28} "
                f"{name:<26.26} bought {reorder.purchases:>3} times, "
                f"last {reorder.days_since_last or 0:.0f} days before",
                file=out,
            )
        decision = customer.next_basket
        print(f"   next basket, and why (persona {decision.persona}; decision {decision.decision_id}):", file=out)
        for item in decision.items:
            name = customer.product_names.get(item.product_id, item.product_id)
            print(f"   {item.score:>6.1%}  {name:<26.26} {item.reason}", file=out)


def _habits(profile: ServedProfile, searches_are: str) -> str:
    parts = []
    if profile.mean_days_between_orders is not None:
        parts.append(f"an order every {profile.mean_days_between_orders:.1f} days")
    if profile.usual_weekday is not None:
        parts.append(f"mostly on {day_name[profile.usual_weekday - 1]}, around {profile.usual_hour}:00")
    parts.append(f"{profile.searches} {searches_are} in the last 60 days")
    return "; ".join(parts)


def print_summary(summary: Mapping[str, object], walked: Walked, directory: Path, out: TextIO) -> None:
    """Every event and its fate."""
    print(f"\n{'─' * _WIDTH}", file=out)
    for name in ("captured", "stored", "failed", "lost"):
        print(f"   {name:<9} {summary[name]:>9,}{_explained(name, walked)}", file=out)
    if summary["failed_on_purpose"]:
        print(f"   {summary['failed_on_purpose']} events were wrong on purpose, to show their fate", file=out)
    print(
        f"   {walked.tally.duplicates_delivered:,} rows were delivered twice on purpose; "
        "the views show every event once",
        file=out,
    )
    if summary["recall_at_10"] is not None:
        print(
            f"   recall@10 of {summary['households_judged']} held-back last baskets: {summary['recall_at_10']:.3f}; "
            f"by plain purchase frequency {summary['recall_at_10_frequency']:.3f}",
            file=out,
        )
    if summary["as_of"] is not None:
        print(f"   charts of the last four weeks: {directory / 'dashboard.html'}", file=out)
    print(f"   {summary['seconds']} s; everything is in {directory}, figures in {directory / 'summary.json'}", file=out)


def print_console(address: str, out: TextIO, *, is_kept: bool) -> None:
    """Where the console is, and how to keep it."""
    print(f"   console, read-only: {address}", file=out)
    if is_kept:
        print("   Ctrl-C stops everything", file=out, flush=True)
    else:
        print('   it stops with the demo; make demo ARGS="--serve" keeps it open', file=out)


def _explained(name: str, walked: Walked) -> str:
    parts = {"stored": walked.tally.stored, "failed": walked.tally.failed}.get(name, {})
    shown = ", ".join(f"{kind} {count:,}" for kind, count in sorted(parts.items()) if count)
    return f"   {shown}" if shown else ""
