"""The commands that read: what the tables say of one user, and what the user is shown."""

import json
import sys
from datetime import UTC, datetime
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, get_args

import click
import msgspec

from shopstream.schemas import SettingsError, Unavailable
from shopstream.schemas.decision import Decision, DecisionKind
from shopstream.schemas.exit_status import ExitStatus
from shopstream.schemas.features import PersonaName, next_in_words

from .cli_parts import as_json_option, settings_in_force, show

if TYPE_CHECKING:
    from .serving.answer import Predicted


@click.command()
@click.argument("user")
@as_json_option
def profile(user: str, as_json: bool) -> None:
    """Show what the latest profile says of USER; exit status 1 where there is none.

    Example: shopstream-features profile u-4711
    """
    from .reader import Features
    from .serving.answer import answered
    from .serving.store import patient_store
    from .warehouse import connect

    settings = settings_in_force()
    with patient_store(connect(settings), settings) as store:
        answer = answered(Features(store, settings).profile(user))
    if answer.row is None:
        show(None, as_json, lambda: [f"no profile of {user}"])
        sys.exit(ExitStatus.FOUND)
    values = {"as_of": str(answer.as_of), "user_id": user, **_named(answer.row)}
    show(
        {**values, "source": answer.source},
        as_json,
        lambda: [f"{name:>26}  {value}" for name, value in values.items()],
    )


@click.command()
@click.argument("user")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 50), help="How many products.")
@as_json_option
def reorders(user: str, k: int, as_json: bool) -> None:
    """Show what USER will most probably buy again, the chance within 7 and 30 days, and when.

    Example: shopstream-features reorders u-4711 --k 5
    """
    from .reader import Features
    from .serving.answer import answered
    from .serving.store import patient_store
    from .warehouse import connect

    settings = settings_in_force()
    with patient_store(connect(settings), settings) as store:
        answer = answered(Features(store, settings).reorders(user, k))
    rows = [{name: value for name, value in _named(row).items() if name != "inputs"} for row in answer.rows]
    as_of = str(answer.as_of) if answer.rows else None
    show(
        {"user_id": user, "as_of": as_of, "source": answer.source, "reorders": rows},
        as_json,
        lambda: [_reorder_line(reorder) for reorder in answer.rows] or [f"nothing to reorder for {user}"],
    )


@click.command()
@click.argument("user")
@as_json_option
def session(user: str, as_json: bool) -> None:
    """Show what USER has done in the latest session; exit status 1 where the last three days have none.

    Sessions are kept live only while the streaming job runs with LIVE_FEATURES_ENABLED=true.

    Example: shopstream-features session u-4711
    """
    from .reader import Features
    from .serving.answer import answered
    from .serving.store import patient_store
    from .warehouse import connect

    settings = settings_in_force()
    with patient_store(connect(settings), settings) as store:
        answer = answered(Features(store, settings).session(user))
    if answer.row is None:
        show(None, as_json, lambda: [f"no session of {user}"])
        sys.exit(ExitStatus.FOUND)
    values = {"user_id": user, **_named(answer.row)}
    show(values, as_json, lambda: [f"{name:>26}  {value}" for name, value in values.items()])


@click.command()
@click.argument("user")
@click.option(
    "--kind",
    type=click.Choice(get_args(DecisionKind)),
    default="next_basket",
    show_default=True,
    help="What list: the next basket, what was bought before, what is new, or what goes with the cart.",
)
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 100), help="How many products.")
@click.option("--cart", multiple=True, help="A product in the cart; repeatable. Without it, that of the live session.")
@as_json_option
def recommend(user: str, kind: DecisionKind, k: int, cart: tuple[str, ...], as_json: bool) -> None:
    """Decide what USER is shown, and say why; kept under the identity it prints, for `decision`.

    Example: shopstream-features recommend u-4711 --kind goes_with_cart --cart p-12
    """
    from .decisions.recommender import Recommender, keep_decision
    from .serving.store import patient_store
    from .warehouse import connect

    settings = settings_in_force()
    client = connect(settings)
    with patient_store(client, settings) as store:
        recommender = Recommender(store, settings, partial(keep_decision, client, settings))
        found = recommender.recommend(user, kind, datetime.now(UTC), k=k, cart=cart or None)
    if found.consent == "unknown":
        raise Unavailable(f"nobody answers what {user} allows, and what sells")
    show(found.model_dump(mode="json", exclude={"facts"}), as_json, lambda: _decision_lines(found))


@click.command()
@click.argument("decision_id")
@as_json_option
def decision(decision_id: str, as_json: bool) -> None:
    """Show a decision that was kept, and decide it again from its facts; exit status 1 where that differs.

    Example: shopstream-features decision 5f1d0c6b2e9a4c7d8b3f0a1e2d3c4b5a
    """
    from .decisions.recommender import kept_decision
    from .decisions.trace import decided_again, decision_id_of, is_of_model_tier, predicted_otherwise
    from .model_store import ModelStore
    from .warehouse import connect

    settings = settings_in_force()
    found = kept_decision(connect(settings), settings, decision_id)
    if found is None:
        show(None, as_json, lambda: [f"no decision {decision_id}, or it is older than 90 days or erased"])
        sys.exit(ExitStatus.FOUND)
    again = decided_again(found)
    same = (again.items, again.rules) == (found.items, found.rules) and decision_id_of(found) == decision_id
    if same and settings.models_bucket is not None and is_of_model_tier(found):
        same = not predicted_otherwise(found, ModelStore(settings).model(str(found.model_version)))
    shown_facts = {**found.model_dump(mode="json"), "facts": json.loads(found.facts), "decided_again": same}
    show(
        shown_facts,
        as_json,
        lambda: [*_decision_lines(found), "decided again from its facts: " + ("the same" if same else "NOT the same")],
    )
    if not same:
        sys.exit(ExitStatus.FOUND)


@click.command()
@click.argument("user", required=False)
@click.option("--segment", type=click.Choice(get_args(PersonaName)), help="All users of a persona, in place of USER.")
@as_json_option
def insight(user: str | None, segment: PersonaName | None, as_json: bool) -> None:
    """Tell in words what the figures say of USER or of a segment; exit status 1 where there are none to be told.

    A language model writes with AI_ANALYSIS_ENABLED=true, within AI_ANALYSIS_DAILY_BUDGET; otherwise, and where it
    fails, templates do.

    Example: shopstream-features insight u-4711
    """
    from .insight.store import WarehouseStore
    from .insight.subjects import NotTold, figures_of_customer, figures_of_segment
    from .insight.writer import InsightWriter, model_in_force
    from .serving.store import patient_store
    from .warehouse import connect

    if (user is None) == (segment is None):
        raise SettingsError("name either a USER or a --segment")
    settings = settings_in_force()
    client, now, random = connect(settings), datetime.now(UTC), SystemRandom()
    store = WarehouseStore(client, settings)
    writer = InsightWriter(store, model_in_force(settings, store, now, random))
    subject = segment or f"customer-{random.randbytes(4).hex()}"
    try:
        if segment is not None:
            figures = figures_of_segment(client, settings, segment)
        else:
            with patient_store(client, settings) as features:
                figures = figures_of_customer(settings, features, str(user))
    except NotTold as not_told:
        why = str(not_told)
        show(None, as_json, lambda: [why])
        sys.exit(ExitStatus.FOUND)
    told = writer.write(figures, subject, now, user)
    show(
        {**told.insight.model_dump(), "source": told.source, "why_template": told.why_template},
        as_json,
        lambda: [
            told.insight.headline,
            *(f"  {finding.text}" for finding in told.insight.findings),
            f"  {told.insight.next_step}",
            f"({told.source}{'' if told.why_template is None else ': ' + told.why_template})",
        ],
    )


def _decision_lines(found: Decision) -> list[str]:
    of = [f"{name} {value}" for name, value in (("as of", found.as_of), ("by", found.model_version)) if value]
    consent = "" if found.persona is None else f", {found.persona}"
    return [
        f"{found.kind} {', '.join(of)}, consent {found.consent}{consent}; decision {found.decision_id}",
        *(f"{item.rank:>4}  {item.score:>6.3f}  {item.product_id}  {item.reason}" for item in found.items),
        *(f"      rule {rule}" for rule in found.rules),
    ]


def _named(row: msgspec.Struct) -> dict[str, object]:
    """What was served with the names of its fields, as JSON has it."""
    return {name: _plain(value) for name, value in msgspec.structs.asdict(row).items()}


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return _named(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)


def _reorder_line(reorder: "Predicted") -> str:
    soon = "" if reorder.probability_7_days is None else f"{reorder.probability_7_days:6.1%} "
    chances = f"{soon}{reorder.probability:6.1%}"
    return f"{reorder.rank:>4}  {chances}  {next_in_words(reorder):<28}  {reorder.product_id}  {reorder.category or ''}"
