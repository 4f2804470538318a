"""The HTTP API over a real warehouse and a real Redis: what it answers, to whom, how often, and in trouble."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deploy.local.stack import LocalStack
from shopstream.ml_features.api.keys import new_key
from shopstream.ml_features.api.serve import serving_app
from shopstream.ml_features.api.settings import ApiSettings
from shopstream.ml_features.audit import entries
from shopstream.ml_features.clock import Clock
from shopstream.ml_features.serving.publish import Publisher, view_batches
from shopstream.ml_features.settings import FeatureSettings
from shopstream.ml_features.warehouse import load_rows
from shopstream.schemas import read_settings
from shopstream.schemas.features import Reorder
from shopstream.schemas.features.reorder import ReorderInputs
from shopstream.schemas.lookup import ApiRole
from shopstream.schemas.serving.views import PROFILES, REORDERS
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id
from tests.integration.wire import Wire

from ..conftest import Warehouse, address_of, made_warehouse
from .conftest import refuse

NOW = datetime.now(UTC)
AS_OF = NOW.date() - timedelta(days=1)
KEYS = {role: new_key(role, role, None, Random(role)) for role in ("read", "application", "admin")}
FOREVER, _ENDED = new_key("ended", "read", datetime(2026, 1, 1, tzinfo=UTC), Random(9))
ODD = ("nobody", "u1' OR '1'='1", "ü\u2028", "*", "x" * 256, "%", "..", "$(id)", "💶")


def profile(user: str, orders: int) -> dict[str, Any]:
    return {"as_of": str(AS_OF), "user_id": user, "orders": orders, "searches": 3, "clicks": 2, "currency": "EUR"}


def persona(user: str, as_of: date, name: str, since: date, before: str | None) -> dict[str, Any]:
    row = {"as_of": str(as_of), "user_id": user, "window_days": 180, "persona": name, "since": str(since)}
    return {**row, "previous_persona": before, "orders": 4}


def reorder(user: str, rank: int) -> dict[str, Any]:
    inputs = ReorderInputs.model_validate(dict.fromkeys(ReorderInputs.model_fields, 0.0))
    row = Reorder(
        as_of=AS_OF,
        user_id=user,
        product_id=f"p-{rank:02}",
        rank=rank,
        probability=1 / (rank + 1),
        purchases=3,
        last_purchased_at=NOW - timedelta(days=9),
        days_since_last=9.0,
        decayed_purchases=2.5,
        inputs=inputs,
    )
    return row.model_dump(mode="json")


def product_day(product: str, day: date) -> dict[str, Any]:
    counts = ("views", "clicks", "cart_adds", "cart_removes", "favourites", "orders", "returns")
    return {"day": str(day), "product_id": product, "shown": 10, **dict.fromkeys(counts, 2), "units": "2"}


@pytest.fixture(scope="module")
def shelf(stack: LocalStack) -> Iterator[Warehouse]:
    """A warehouse with a user who shops, one who refuses, and a product."""
    with made_warehouse(stack, "served") as warehouse:

        def give(dataset: Dataset, table: str, rows: Iterable[dict[str, Any]]) -> None:
            place = f"{dataset_id(warehouse.settings, dataset)}.{table}"
            load_rows(warehouse.client, warehouse.client.get_table(place), list(rows))

        first, second = AS_OF - timedelta(days=2), AS_OF - timedelta(days=1)
        give(Dataset.FEATURES, "profiles", [profile("u1", 7), profile("refuses", 5), profile("a/b", 2)])
        give(Dataset.FEATURES, "reorders", [reorder("u1", rank) for rank in range(1, 24)])
        give(
            Dataset.FEATURES,
            "personas",
            [
                persona("u1", first, "top_up", first, None),
                *(persona("u1", day, "explorer", second, "top_up") for day in (second, AS_OF)),
                persona("refuses", AS_OF, "steady", AS_OF, None),
            ],
        )
        give(Dataset.AGGREGATES, "product_days", [product_day("milk", AS_OF - timedelta(days=n)) for n in range(5)])
        refuse(warehouse, "refuses", NOW - timedelta(hours=2))
        yield warehouse


class Api:
    """The application in this process, its clock, and the wire to its warehouse."""

    def __init__(self, shelf: Warehouse, more: ExitStack, keys: str, **variables: str) -> None:
        address = shelf.environment["BIGQUERY_EMULATOR_HOST"].removeprefix("http://")
        self.warehouse_wire = Wire("127.0.0.1", int(address.partition(":")[2]))
        more.callback(self.warehouse_wire.close)
        self.ahead = 0.0
        clock = Clock(lambda: datetime.now(UTC) + timedelta(seconds=self.ahead), lambda: self.ahead)
        environment = {
            **shelf.environment,
            "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{self.warehouse_wire.port}",
            "SERVING_DEADLINE_SECONDS": "20",
            "SERVING_CACHE_SECONDS": "0",
            "SERVING_API_KEYS": keys,
            **variables,
        }
        self.settings = read_settings(FeatureSettings, environment)
        self._runner = more.enter_context(asyncio.Runner())
        self._serving = serving_app(self.settings, read_settings(ApiSettings, environment), Random(1), clock)
        self._transport = httpx.ASGITransport(app=self._serving.__enter__())
        more.callback(self.stop)
        self._stopped = False

    def stop(self) -> None:
        """As after SIGTERM: what waits is written."""
        if not self._stopped:
            self._stopped = True
            self._serving.__exit__(None, None, None)

    def ask(self, path: str, role: ApiRole = "read", *, method: str = "GET", **more: Any) -> httpx.Response:
        return self.ask_all([path], role, method=method, **more)[0]

    def ask_all(
        self, paths: Iterable[str], role: ApiRole = "read", *, method: str = "GET", **more: Any
    ) -> list[httpx.Response]:
        """Requests at the same time."""
        headers = {"X-Api-Key": KEYS[role][0]} | more.pop("headers", {})

        async def asked() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://api") as client:
                requests = (client.request(method, path, headers=headers, **more) for path in paths)
                return await asyncio.gather(*requests)

        return self._runner.run(asked())


Make = Callable[..., Api]


@pytest.fixture(scope="module")
def make(shelf: Warehouse) -> Iterator[Make]:
    with ExitStack() as more:
        lines = " ".join([*(key.line() for _, key in KEYS.values()), _ENDED.line()])
        yield lambda **variables: Api(shelf, more, lines, **variables)


@pytest.fixture(scope="module")
def api(make: Make) -> Api:
    return make(SERVING_API_BURST_REQUESTS="1000000")


def test_a_profile_says_where_it_is_from(api: Api) -> None:
    answer = api.ask("/v1/users/u1/profile")
    body = answer.json()
    assert (answer.status_code, body["data"]["orders"], body["data"]["currency"]) == (200, 7, "EUR")
    meta = {name: body["meta"][name] for name in ("as_of", "source", "stale", "version")}
    assert meta == {"as_of": str(AS_OF), "source": "warehouse", "stale": False, "version": None}
    assert answer.headers["X-Request-Id"] == body["meta"]["request_id"]
    assert body["meta"]["age_seconds"] >= 0


def test_redis_is_asked_first_where_there_is_one(make: Make, shelf: Warehouse, own_redis: redis.Redis) -> None:
    settings = read_settings(FeatureSettings, shelf.environment)
    publisher = Publisher(own_redis, settings.redis_prefix)
    for view in (PROFILES, REORDERS):
        publisher.publish(view, AS_OF, NOW, view_batches(shelf.client, settings, view, AS_OF))
    served = make(REDIS_ENABLED="true", REDIS_URL=address_of(own_redis))
    bodies = [answer.json() for answer in served.ask_all(["/v1/users/u1/profile", "/v1/users/u1/reorders"])]
    assert [body["meta"]["source"] for body in bodies] == ["redis", "redis"]
    assert bodies[0]["meta"]["version"] == f"{NOW:%Y%m%dT%H%M%S%f}"
    own_redis.shutdown(nosave=True)
    assert served.ask("/v1/users/u1/profile").json()["meta"]["source"] == "warehouse"
    served.stop()


def test_fields_are_chosen_and_a_wrong_one_is_named(api: Api) -> None:
    assert api.ask("/v1/users/u1/profile?fields=clicks,orders").json()["data"] == {"clicks": 2, "orders": 7}
    wrong = api.ask("/v1/users/u1/profile?fields=clicks,shoe_size")
    assert wrong.status_code == 422
    assert wrong.json()["error"]["details"]["unknown"] == ["shoe_size"]
    assert "inputs" not in api.ask("/v1/users/u1/reorders").json()["data"][0]
    assert set(api.ask("/v1/users/u1/reorders?fields=rank,inputs").json()["data"][0]) == {"rank", "inputs"}


def test_the_same_data_is_sent_once(api: Api) -> None:
    first = api.ask("/v1/users/u1/profile")
    again = api.ask("/v1/users/u1/profile", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.ask("/v1/users/u1/profile?fields=orders").headers["ETag"] != first.headers["ETag"]


def test_a_large_answer_is_gzip_where_the_client_takes_it(api: Api) -> None:
    plain = api.ask("/v1/users/u1/reorders?limit=50", headers={"Accept-Encoding": "identity"})
    packed = api.ask("/v1/users/u1/reorders?limit=50", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert packed.json()["data"] == plain.json()["data"]
    assert len(gzip.compress(plain.content, mtime=0)) < len(plain.content)


@pytest.mark.parametrize("limit", [6, 23, 50])
def test_pages_hold_every_row_once(api: Api, limit: int) -> None:
    found, cursor = [], ""
    while True:
        body = api.ask(f"/v1/users/u1/reorders?limit={limit}{cursor}").json()
        found += [row["rank"] for row in body["data"]]
        if body["meta"]["next_cursor"] is None:
            break
        cursor = f"&cursor={body['meta']['next_cursor']}"
    assert found == list(range(1, 24))


@pytest.mark.parametrize("path", ["/v1/users/u1/reorders", "/v1/users/u1/personas", "/v1/products/milk/performance"])
def test_a_cursor_of_nowhere_and_of_another_list_is_refused(api: Api, path: str) -> None:
    others = api.ask("/v1/users/u1/reorders?limit=2").json()["meta"]["next_cursor"]
    refused = [api.ask(f"{path}?cursor={cursor}") for cursor in ("", "x", "AAAA", "%00", "9" * 257)]
    if "reorders" not in path:
        refused.append(api.ask(f"{path}?cursor={others}"))
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} <= {
        (400, "invalid_cursor"),
        (422, "invalid_parameter"),
    }


def test_personas_are_told_over_time(api: Api) -> None:
    first, second = str(AS_OF - timedelta(days=2)), str(AS_OF - timedelta(days=1))
    spells = [
        {"persona": "explorer", "since": second, "until": str(AS_OF), "previous_persona": "top_up"},
        {"persona": "top_up", "since": first, "until": first, "previous_persona": None},
    ]
    assert api.ask("/v1/users/u1/personas").json()["data"] == spells
    page = api.ask("/v1/users/u1/personas?limit=1").json()
    rest = api.ask(f"/v1/users/u1/personas?limit=1&cursor={page['meta']['next_cursor']}").json()
    assert [*page["data"], *rest["data"]] == spells
    assert rest["meta"]["next_cursor"] is None
    assert api.ask("/v1/users/u1/personas?window_days=30").json()["data"] == []


def test_a_product_is_told_by_day(api: Api) -> None:
    body = api.ask("/v1/products/milk/performance?limit=3&fields=day,orders,click_rate").json()
    days = [str(AS_OF - timedelta(days=n)) for n in range(5)]
    assert body["data"]["product"] is None
    assert body["data"]["days"] == [{"day": day, "orders": 2, "click_rate": 0.2} for day in days[:3]]
    rest = api.ask(f"/v1/products/milk/performance?limit=3&cursor={body['meta']['next_cursor']}").json()
    assert [day["day"] for day in rest["data"]["days"]] == days[3:]
    assert api.ask("/v1/products/none/performance").status_code == 404


def test_a_decision_is_kept_and_looked_up_until_its_user_refuses(make: Make, shelf: Warehouse) -> None:
    deciding = make()
    decided = deciding.ask("/v1/users/u1/recommendations?k=3&cart=p-01&cart=p-02", "application")
    assert decided.status_code == 200
    decision = decided.json()["data"]
    assert [item["product_id"] for item in decision["items"]] == ["p-03", "p-04", "p-05"]
    assert "in_cart: 2" in decision["rules"]
    deciding.stop()
    looking = make()
    path = f"/v1/decisions/{decision['decision_id']}"
    found = looking.ask(path).json()["data"]
    assert ({**found, "facts": None}, found["facts"]["cart"]) == ({**decision, "facts": None}, ["p-01", "p-02"])
    assert looking.ask(f"/v1/decisions/{'0' * 32}").status_code == 404
    refuse(shelf, "u1", NOW - timedelta(hours=2))
    try:
        assert looking.ask(path).status_code == 404
    finally:
        refuse(shelf, "refuses", NOW - timedelta(hours=2))
    looking.stop()


def test_who_refuses_is_somebody_nobody_knows(api: Api) -> None:
    def told(user: str) -> list[tuple[int, object]]:
        answers = api.ask_all(f"/v1/users/{user}/{what}" for what in ("profile", "session", "reorders", "personas"))
        return [(answer.status_code, answer.json().get("data")) for answer in answers]

    assert told("refuses") == told("nobody") == [(404, None), (404, None), (200, []), (200, [])]
    listed = api.ask("/v1/users/refuses/recommendations", "application").json()["data"]
    assert (listed["user_id"], listed["consent"]) == (None, "refused")
    many = api.ask("/v1/profiles", method="POST", content=b'{"user_ids": ["refuses", "nobody"]}').json()["data"]
    assert many == {"refuses": None, "nobody": None}


@pytest.mark.parametrize(
    ("key", "path", "status", "code"),
    [
        (None, "/v1/users/u1/profile", 401, "unauthorized"),
        ("pk_forged", "/v1/users/u1/profile", 401, "unauthorized"),
        (FOREVER, "/v1/users/u1/profile", 401, "unauthorized"),
        (KEYS["read"][0] + "x", "/v1/users/u1/profile", 401, "unauthorized"),
        ("x" * 100_000, "/v1/users/u1/profile", 401, "unauthorized"),
        (KEYS["read"][0], "/v1/users/u1/recommendations", 403, "forbidden"),
        (KEYS["application"][0], "/v1/users/u1/recommendations", 200, None),
        (KEYS["admin"][0], "/v1/users/u1/recommendations", 200, None),
    ],
)
def test_a_key_opens_what_its_role_may(api: Api, key: str | None, path: str, status: int, code: str | None) -> None:
    headers = {"X-Api-Key": ""} if key is None else {"X-Api-Key": "", "Authorization": f"Bearer {key}"}
    answer = api.ask(path, headers=headers)
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == (status, code)


def test_a_key_that_asks_too_often_is_told_when_to_come_again(make: Make) -> None:
    hurried = make(SERVING_API_BURST_REQUESTS="100", SERVING_API_REQUESTS_PER_SECOND="10")
    statuses = [answer.status_code for answer in hurried.ask_all(["/v1/users/u1/profile?fields=x"] * 110)]
    assert (statuses.count(422), statuses.count(429)) == (100, 10)
    late = hurried.ask("/v1/users/u1/profile")
    assert (late.status_code, late.headers["Retry-After"]) == (429, "1")
    assert hurried.ask("/v1/users/u1/profile", "application").status_code == 200
    hurried.ahead += 1
    assert hurried.ask("/v1/users/u1/profile").status_code == 200
    many = json.dumps({"user_ids": [f"u{n}" for n in range(1000)]}).encode()
    assert hurried.ask("/v1/profiles", method="POST", content=many).status_code == 429
    hurried.stop()


def test_too_many_at_once_are_shed_and_the_next_is_answered(make: Make) -> None:
    busy = make(SERVING_API_REQUESTS_AT_ONCE="4")
    busy.warehouse_wire.set("slow", delay_seconds=0.3)
    answers = busy.ask_all([f"/v1/users/u{n}/profile" for n in range(12)] + ["/healthz"])
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(503), statuses[-1]) == (8, 200)
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
    busy.warehouse_wire.set("open")
    assert busy.ask("/v1/users/u1/profile").status_code == 200
    busy.stop()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_body"),
        (b"{", 400, "invalid_body"),
        (b"\xff\xfe", 400, "invalid_body"),
        (b"[" * 100_000, 422, "invalid_body"),
        (b'{"user_ids": []}', 422, "invalid_body"),
        (b'{"user_ids": [1]}', 422, "invalid_body"),
        (b'{"user_ids": ["a\\u0000"]}', 422, "invalid_body"),
        (b'{"user_ids": ["a"], "all": true}', 422, "invalid_body"),
        (json.dumps({"user_ids": [f"u{n}" for n in range(10_000)]}).encode(), 422, "invalid_body"),
        (b'{"user_ids": ["' + b"x" * 2_000_000 + b'"]}', 413, "body_too_large"),
    ],
)
def test_a_body_that_is_none_is_refused(api: Api, body: bytes, status: int, code: str) -> None:
    answer = api.ask("/v1/profiles", method="POST", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_many_at_once_are_each_answered(api: Api) -> None:
    users = ["u1", "a/b", *ODD, *(f"n-{number}" for number in range(980))]
    body = api.ask("/v1/profiles?fields=orders", method="POST", content=json.dumps({"user_ids": users}).encode()).json()
    assert list(body["data"]) == users
    assert (body["data"]["u1"], body["data"]["a/b"], body["data"]["nobody"]) == ({"orders": 7}, {"orders": 2}, None)
    assert body["meta"]["answers"]["u1"]["source"] == "warehouse"


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_id_is_somebody_nobody_knows(api: Api, odd: str) -> None:
    assert api.ask(f"/v1/users/{quote(odd, safe='')}/profile").status_code == 404


@given(st.text(max_size=300), st.sampled_from(["profile", "reorders", "session"]), st.text(max_size=40))
@hypothesis_settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_path_and_no_query_makes_it_fail(api: Api, user: str, what: str, value: str) -> None:
    query = urlencode({"limit": value, "cursor": value, "fields": value}, errors="replace")
    assert api.ask(f"/v1/users/{quote(user, safe='', errors='replace')}/{what}?{query}").status_code < 500


def test_where_nobody_answers_it_says_so_and_never_fails(make: Make) -> None:
    alone = make(SERVING_API_WAREHOUSE_SECONDS="5")
    alone.warehouse_wire.set("cut")
    answers = alone.ask_all(["/v1/users/u1/profile", "/v1/users/u1/reorders", "/v1/users/u1/session"])
    assert [(each.status_code, each.json()["data"], each.json()["meta"]["source"]) for each in answers] == [
        (200, None, "default"),
        (200, [], "default"),
        (200, None, "default"),
    ]
    listed = alone.ask("/v1/users/u1/recommendations", "application")
    assert (listed.status_code, listed.json()["data"]["consent"]) == (200, "unknown")
    later = alone.ask_all(["/v1/users/u1/personas", f"/v1/decisions/{'0' * 32}", "/readyz"])
    assert [(each.status_code, each.headers["Retry-After"]) for each in later] == [(503, "5")] * 3
    assert alone.ask("/healthz").status_code == 200
    alone.warehouse_wire.set("open")
    assert alone.ask("/v1/users/u1/profile").json()["data"]["orders"] == 7
    assert alone.ask("/readyz").status_code == 200
    alone.stop()


def test_who_looked_up_whom_is_kept_whatever_was_answered(make: Make, shelf: Warehouse) -> None:
    seen = make()
    user = "looked-up"
    seen.ask(f"/v1/users/{user}/profile")
    seen.ask(f"/v1/users/{user}/recommendations")
    seen.ask(f"/v1/users/{user}/session", headers={"X-Api-Key": "pk_forged"})
    seen.ask("/v1/profiles", "application", method="POST", content=json.dumps({"user_ids": [user, "other"]}).encode())
    seen.stop()
    found = entries(shelf.client, seen.settings, NOW - timedelta(days=1), user_id=user)
    assert {each.what for each in found} == {"looked up"}
    assert sorted((each.key_name, each.role, each.detail, each.outcome) for each in found) == [
        ("application", "application", "/v1/profiles", "200"),
        ("read", "read", "/v1/users/{user_id}/profile", "404"),
        ("read", "read", "/v1/users/{user_id}/recommendations", "403"),
    ]


def test_a_look_up_that_cannot_be_written_waits_and_at_the_end_is_logged(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    unheard = make()
    unheard.warehouse_wire.set("cut")
    unheard.ask("/v1/users/u1/profile")
    assert 'shopstream_api_rows_waiting{table="lookups"} 1.0' in unheard.ask("/metrics").text
    unheard.stop()
    (line,) = [record for record in caplog.records if "a row is not in its table lookups" in record.message]
    assert line.__dict__["row"]["user_id"] == "u1"


def test_it_counts_what_prometheus_asks_for(make: Make) -> None:
    counted = make()
    counted.ask_all(["/v1/users/u1/profile", "/v1/users/nobody/profile", "/v1/nothing"])
    page = counted.ask("/metrics").text
    assert 'shopstream_api_requests_total{route="/v1/users/{user_id}/profile",status="200"} 1.0' in page
    assert 'shopstream_api_requests_total{route="/v1/users/{user_id}/profile",status="404"} 1.0' in page
    assert 'shopstream_api_requests_total{route="(unknown)",status="404"} 1.0' in page
    assert 'shopstream_api_answers_total{source="warehouse",stale="false",view="profiles"} 2.0' in page
    assert 'shopstream_api_request_seconds_count{route="/v1/users/{user_id}/profile"} 2.0' in page
    assert "u1" not in page
    counted.stop()
