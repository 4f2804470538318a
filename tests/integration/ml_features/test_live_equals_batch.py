"""A replay of the demo's purchases: what the stream says of a user is what the nightly job says, to 1e-9."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from deploy.local.complete_journey import baskets
from shopstream.ml_features.models.reorder import DEFAULT_WEIGHTS
from shopstream.schemas.features import ProductRhythm, Reorder, ReorderInputs
from shopstream.schemas.live.purchase_lines import PurchaseLine
from shopstream.schemas.live.reorders import Rhythms, reorders

if TYPE_CHECKING:
    from ..conftest import Warehouse
    from .conftest import Load, Run

AS_OF = date(2017, 4, 30)
END = datetime(2017, 5, 1, tzinfo=UTC)
HOUSEHOLDS, DAYS = 60, 120
TAKEN_BACK = 200


def take_some_back(warehouse: "Warehouse") -> None:
    """Some lines are returned whole, some in part, some after the day."""
    random = Random(4)
    rows: list[Any] = warehouse.rows(
        "SELECT * FROM `{features}.purchases` ORDER BY user_id, ordered_at, order_id, product_id"
    )
    values = []
    for row in random.sample(rows, TAKEN_BACK):
        back = row["ordered_at"] + timedelta(days=random.choice((1, 5, 90)))
        quantity = row["quantity"] / random.choice((1, 2))
        values.append(
            f"('{row['user_id']}', '{row['product_id']}', '{row['order_id']}', 'returned', '{back.isoformat()}', "
            f"'{back.isoformat()}', {quantity}, 1, 'USD', '{back.date()}')"
        )
    warehouse.rows(
        "INSERT INTO `{features}.purchases` (user_id, product_id, order_id, status, ordered_at, known_at, quantity, "  # noqa: S608
        f"unit_price, currency, received_on) VALUES {', '.join(values)}"
    )


def lines_by_user(warehouse: "Warehouse") -> dict[str, list[PurchaseLine]]:
    found: defaultdict[str, list[PurchaseLine]] = defaultdict(list)
    rows: list[Any] = warehouse.rows("SELECT * FROM `{features}.purchases`")
    for row in rows:
        names = ("product_id", "category", "order_id", "status", "ordered_at")
        line = PurchaseLine(quantity=float(row["quantity"]), **{name: row[name] for name in names})
        twice = int(line.order_id) % 3 == 0  # some arrive twice
        found[row["user_id"]] += [line, line] if twice else [line]
    return found


def test_every_input_rank_and_probability_of_the_stream_is_that_of_the_batch(
    warehouse: "Warehouse", run_table: "Run", load_baskets: "Load"
) -> None:
    load_baskets(baskets(HOUSEHOLDS, DAYS))
    take_some_back(warehouse)
    for table in ("reorder_weights", "reorders", "product_rhythms"):
        run_table(table, AS_OF)
    batch: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    stored: list[Any] = warehouse.rows("SELECT * FROM `{features}.reorders` ORDER BY user_id, `rank`")
    for row in stored:
        batch[row["user_id"]].append(row)
    told: list[Any] = warehouse.rows("SELECT * FROM `{features}.product_rhythms`")
    rhythms = Rhythms({row["product_id"]: ProductRhythm.model_validate(row) for row in told})
    lines = lines_by_user(warehouse)
    assert len(batch) == len(lines) == HOUSEHOLDS
    compared = 0
    for user, rows in batch.items():
        live = {each.product_id: each for each in reorders(user, lines[user], END, rhythms, DEFAULT_WEIGHTS)}
        assert live.keys() == {row["product_id"] for row in rows}
        for row in rows:
            compared += differences(live[row["product_id"]], row)
        ranked = sorted(live.values(), key=lambda each: each.rank)
        assert [each.rank for each in ranked] == list(range(1, len(rows) + 1))
        # A tie within the last digits may fall either way.
        assert max(abs(a.probability - b["probability"]) for a, b in zip(ranked, rows, strict=True)) < 1e-9
    assert compared > 1_000


def differences(live: Reorder, row: dict[str, Any]) -> int:
    """Fails where a figure differs by 1e-9 of its size or more; how many were compared."""
    pairs = [(name, getattr(live.inputs, name), row["inputs"][name]) for name in ReorderInputs.model_fields]
    names = Reorder.model_fields.keys() - {"inputs", "rank"}
    pairs += [(name, getattr(live, name), row[name]) for name in sorted(names)]
    for name, mine, theirs in pairs:
        if isinstance(theirs, float):
            assert isinstance(mine, float), name
            assert abs(mine - theirs) < 1e-9 * max(1, abs(theirs)), (name, mine, theirs)
        else:
            assert mine == theirs, name
    return len(pairs)
