"""What the pages say, to whom, and what they say when there is nothing, or something is wrong."""

import csv
import json
import re
from html import unescape
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.local.stack import LocalStack
from shopstream.schemas.lookup import ApiRole
from shopstream.schemas.table import Dataset
from shopstream.schemas.warehouse import dataset_id

from ..conftest import made_warehouse
from .conftest import KEYS, Served, served
from .shop import MARKUP, REFUSES, SCRIPTS, USER, WALKER, decision

PAGES = ("", "/quality", "/customers", "/search", "/products", "/experiments", "/alerts", "/cost")
ADMIN_PAGES = ("/audit",)


def words(page: str) -> str:
    """What a reader sees of it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", ["Failed and not replayed 3", "validate missing field currency", "Quality rules broken 1 of 2",
              "Open alerts 1"]),
        ("/quality", ["freshness.search breach 95", "volume.order ok 0.9"]),
        ("/search", ["searched 84 100 %", "green tea product 60", "<b>bold</b> tea"]),
        ("/products", ["Green tea", "tea 1 of 5", *SCRIPTS.values()]),
        ("/products/p-tea", ["Green tea", "place 1 of 5", "4.20 EUR, median 4.50", "green tea 60 67 % 33 % 17 %"]),
        ("/experiments", ["new-reorders", "users who ordered", "control"]),
        ("/alerts", ["open warning prices Green tea costs 5.00 EUR after 4.00 (+25 %)", "webhook"]),
        ("/cost", ["$ 60.42", "BigQuery streaming inserts 0.4200 1 %"]),
        (f"/customers/{USER}", ["top up over 180 days", "before that newcomer", "12 % for no order in 90 days",
                                "bought 6 times in the last year, every 11 days on average, last 9 days ago",
                                "in about 8 days (2 to 21)", "order placed o-1 12.60 EUR", "green tea 12 results",
                                "personalization allowed"]),
        (f"/decisions/{decision().decision_id}", ["the same list, scores and reasons, to the last digit",
                                                  "p-tea 0.9000"]),
    ],
    ids=["health", "quality", "search", "products", "product", "experiments", "alerts", "cost", "customer", "decision"],
)  # fmt: skip
def test_a_page_says_what_the_tables_know(shop: Served, path: str, said: list[str]) -> None:
    answer = shop.ask(path)
    assert answer.status_code == 200
    missing = [each for each in said if each not in words(answer.text)]
    assert missing == [], words(answer.text)


def test_names_in_any_script_are_shown_and_markup_in_them_is_text(shop: Served) -> None:
    for path in ("/products", "/products/p-markup", f"/customers/{USER}", f"/products?words={quote(MARKUP)}"):
        page = shop.ask(path).text
        assert MARKUP not in page
        assert "&lt;script&gt;document.title=" in page
    policy = shop.ask("/products").headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "default-src 'none'; script-src 'self'" in policy


def test_a_long_journey_ends_where_it_says(shop: Served) -> None:
    page = shop.ask(f"/customers/{WALKER}").text
    assert "The latest 200 steps" in words(page)
    assert (
        page.count("<b>search</b>")
        + page.count("<b>view</b>")
        + page.count("<b>click</b>")
        + page.count("<b>cart add</b>")
        == 200
    )


def test_who_refuses_analytics_is_not_walked_after(shop: Served) -> None:
    page = words(shop.ask(f"/customers/{REFUSES}").text)
    assert "of this customer analytics is refused" in page
    assert "green tea" not in page


@pytest.mark.parametrize("user", ["nobody", "u1' OR '1'='1", "ü\u2028", "../../etc", "%", "💶", "x" * 256])
def test_an_unknown_user_is_told_of_in_a_sentence(shop: Served, user: str) -> None:
    answer = shop.ask(f"/customers/{quote(user, safe='')}")
    if "/" in user:  # No path holds a slash within a part.
        assert answer.status_code == 404
    else:
        assert answer.status_code == 200
        assert "Nothing is known of this customer" in words(answer.text)


def test_a_user_id_that_is_none_is_refused_with_what_is_wrong(shop: Served) -> None:
    answer = shop.ask(f"/customers/{'x' * 257}")
    assert answer.status_code == 422
    assert "a parameter is not what it must be" in words(answer.text)


def test_an_unknown_product_and_decision_are_told_of_in_a_sentence(shop: Served) -> None:
    assert "Nothing is known of this product" in words(shop.ask("/products/none").text)
    answer = shop.ask("/decisions/" + "0" * 32)
    assert (answer.status_code, "There is nothing here" in words(answer.text)) == (404, True)


def test_without_a_key_every_page_leads_to_signing_in_and_back(shop: Served) -> None:
    for path in (*PAGES, *ADMIN_PAGES, f"/customers/{USER}"):
        answer = shop.ask(path, None)
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/console/sign-in?next={quote('/console' + path, safe='')}&why="
    assert "Shopstream console" in shop.ask("/sign-in", None).text


def test_a_key_signs_in_and_is_kept_where_no_script_reads_it(shop: Served) -> None:
    form = {"key": KEYS["read"][0], "next": "/console/search"}
    answer = shop.ask("/sign-in", None, "POST", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/search")
    cookie = answer.headers["Set-Cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/console"))
    wrong = shop.ask("/sign-in", None, "POST", data={"key": "pk_forged"})
    assert (wrong.status_code, "does not know that key" in words(wrong.text)) == (401, True)


@pytest.mark.parametrize(
    "onwards", ["https://example.com", "//example.com", "/v1/users", "/console\\@example.com", "/consoles"]
)
def test_signing_in_leads_nowhere_else(shop: Served, onwards: str) -> None:
    answer = shop.ask("/sign-in", None, "POST", data={"key": KEYS["read"][0], "next": onwards})
    assert answer.headers["Location"] == "/console"


def test_what_a_page_of_another_site_asks_for_is_not_done(shop: Served) -> None:
    form = {"kind": "erase", "user_id": "u", "repeated": "u", "reason": "r"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://example.com"},
        {"Sec-Fetch-Site": ""},
    ):
        answer = shop.ask("/instructions", "admin", "POST", data=form, headers=headers)
        assert (answer.status_code, "page of another site" in words(answer.text)) == (403, True)
    assert shop.ask("/sign-out", None, "POST", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_only_an_administrator_sees_the_audit_and_may_ask_for_anything(shop: Served) -> None:
    for path in ("/audit", "/audit.csv"):
        answer = shop.ask(path)
        assert (answer.status_code, "This key may not do that" in words(answer.text)) == (403, True)
    assert shop.ask("/instructions", "read", "POST", data={"kind": "replay"}).status_code == 403
    assert "Replay these" not in shop.ask("").text
    assert "Erase everything" not in shop.ask(f"/customers/{USER}").text


def asked_for(shop: Served, kind: str) -> list[dict[str, object]]:
    place = f"{dataset_id(shop.warehouse.settings, Dataset.PRIVACY)}.instructions"
    return shop.warehouse.rows(f"SELECT * FROM `{place}` WHERE kind = '{kind}' ORDER BY asked_at")  # noqa: S608


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        (
            {"kind": "replay", "failed_stage": "validate", "failed_reason": "missing_field", "failed_field": "currency",
             "reason": "fixed in 1.2", "confirmed": "yes"},
            {"failed_stage": "validate", "failed_reason": "missing_field", "failed_field": "currency"},
        ),
        (
            {"kind": "consent", "user_id": "u-9", "purpose": "analytics", "granted": "false", "reason": "by letter",
             "confirmed": "yes"},
            {"user_id": "u-9", "purpose": "analytics", "granted": False},
        ),
        ({"kind": "erase", "user_id": "u-9", "repeated": "u-9", "reason": "asked"}, {"user_id": "u-9"}),
        (
            {"kind": "hide_product", "user_id": "u-9", "product_id": "p-tea", "reason": "call +49 170 1234567"},
            {"user_id": "u-9", "product_id": "p-tea", "reason": "call [phone]"},
        ),
    ],
    ids=["replay", "consent", "erase", "hide"],
)  # fmt: skip
def test_what_is_asked_for_is_written_down_with_who_and_why(
    shop: Served, form: dict[str, str], kept: dict[str, object]
) -> None:
    answer = shop.ask("/instructions", "admin", "POST", data=form | {"back": "/console/customers"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/customers?notice=asked")
    assert "Asked for." in words(shop.ask("/customers?notice=asked", "admin").text)
    row = asked_for(shop, form["kind"])[-1]
    assert (row["key_name"], row["role"]) == ("admin", "admin")
    assert {name: row[name] for name in kept} == kept
    audit = words(shop.ask("/audit", "admin").text)
    assert form["kind"].replace("_", " ") in audit


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "erase", "user_id": "u-8", "repeated": "u-9", "reason": "r"}, "type the user_id once more"),
        (
            {"kind": "consent", "user_id": "u-8", "purpose": "analytics", "granted": "false", "reason": "r"},
            "tick the box",
        ),
        ({"kind": "hide_product", "user_id": "u-8", "product_id": "p", "reason": " "}, "look again at reason"),
        ({"kind": "hide_product", "user_id": "u-8", "reason": "r"}, "nothing was done"),
        ({"kind": "drop_tables", "reason": "r"}, "look again at kind"),
        ({}, "nothing was done"),
    ],
    ids=["not repeated", "not ticked", "no reason", "no product", "no such kind", "empty"],
)
def test_what_is_not_meant_or_not_whole_is_not_written_down(shop: Served, form: dict[str, str], said: str) -> None:
    answer = shop.ask("/instructions", "admin", "POST", data=form)
    assert (answer.status_code, said in words(answer.text)) == (422, True)
    place = f"{dataset_id(shop.warehouse.settings, Dataset.PRIVACY)}.instructions"
    assert shop.warehouse.rows(f"SELECT * FROM `{place}` WHERE user_id = 'u-8'") == []  # noqa: S608 - our own name


def test_whose_page_was_looked_at_is_in_the_audit_and_in_its_file(shop: Served) -> None:
    user = "u-looked-at"
    for _ in range(3):  # Within a minute that is one look.
        shop.ask(f"/customers/{user}")

    def rows() -> list[dict[str, str]]:
        return list(csv.DictReader(StringIO(shop.ask("/audit.csv", "admin").text)))

    found = [row for row in rows() if row["user_id"] == user]
    for _ in range(100):
        if found:
            break
        found = [row for row in rows() if row["user_id"] == user]
    assert [(row["what"], row["key_name"], row["detail"], row["outcome"]) for row in found] == [
        ("looked up", "read", "/console/customers/{user_id}", "200")
    ]
    # What a spreadsheet would take for a formula is text.
    assert "'=cmd()" in {row["key_name"] for row in rows()}
    only = list(csv.DictReader(StringIO(shop.ask(f"/audit.csv?user_id={USER}", "admin").text)))
    assert {row["user_id"] for row in only} == {USER}


def test_a_key_that_ends_in_the_middle_of_a_visit_leads_to_signing_in_and_back(shop: Served) -> None:
    before = shop.keys.read_text()
    assert shop.ask("/search").status_code == 200
    shop.keys.write_text(KEYS["admin"][1] + "\n")
    try:
        answer = shop.ask("/search")
        for _ in range(300):
            if answer.status_code == 303:
                break
            answer = shop.ask("/search")
        assert answer.headers["Location"] == "/console/sign-in?next=%2Fconsole%2Fsearch&why=ended"
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert "has ended or was revoked" in words(shop.ask("/sign-in?next=/console/search&why=ended", None).text)
    finally:
        shop.keys.write_text(before)
        for _ in range(300):
            if shop.ask("/customers").status_code == 200:
                break


@pytest.fixture(scope="module")
def empty(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> object:
    with (
        made_warehouse(stack, "console_empty") as warehouse,
        served(warehouse, tmp_path_factory.mktemp("empty")) as running,
    ):
        yield running


@pytest.mark.parametrize("path", [*PAGES, *ADMIN_PAGES, f"/customers/{USER}", "/products/p-tea"])
def test_before_there_is_any_data_every_page_says_what_to_do(empty: Served, path: str) -> None:
    role: ApiRole = "admin"
    answer = empty.ask(path, role)
    assert answer.status_code == 200
    said = words(answer.text)
    assert "could not be read" not in said
    if path != "/customers":
        assert re.search(r"No |Nobody|Nothing", said), said


def test_without_its_warehouse_a_page_shows_what_it_had_and_says_so(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        made_warehouse(stack, "console_gone") as warehouse,
        served(warehouse, tmp_path_factory.mktemp("gone")) as running,
    ):
        assert "No rule was looked at" in words(running.ask("/quality").text)
        running.wire.set("cut")
        cold = words(running.ask("/alerts").text)
        assert "Something could not be read" in cold
        assert "Nothing to show: it could not be read." in cold
        for _ in range(300):
            warm = words(running.ask("/quality").text)
            if "what you see is of" in warm:
                break
        assert "No rule was looked at" in warm
        answer = running.ask(
            "/instructions", "admin", "POST", data={"kind": "replay", "confirmed": "yes", "reason": "r"}
        )
        assert (answer.status_code, "the warehouse does not answer" in words(answer.text)) == (503, True)
        running.wire.set("open")
        for _ in range(300):
            if "could not be read" not in words(running.ask("/alerts").text):
                break
        assert "No alert." in words(running.ask("/alerts").text)


def test_the_scripts_and_styles_are_those_of_the_dependencies_page(shop: Served) -> None:
    page = (Path(__file__).parents[3] / "docs/dependencies.md").read_text()
    licences = shop.ask("/static/LICENSES.txt", None).text
    for name, file, head in (
        ("uPlot", "uPlot.iife.min.js", r"\(v([\d.]+)\)"),
        ("Pico CSS", "pico.min.css", r"v([\d.]+)"),
    ):
        served_file = shop.ask(f"/static/{file}", None)
        found = re.search(head, served_file.text[:300])
        assert found is not None
        assert f"{name} {found[1]}" in licences
        assert f"{name} {found[1]}" in page
    assert shop.ask("/static/nothing.js", None).status_code == 404
    assert shop.ask("/static/..%2fconsole.py", None).status_code == 404


def test_the_console_can_be_switched_off(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("off")
    with (
        made_warehouse(stack, "console_off") as warehouse,
        served(warehouse, folder, SERVING_API_CONSOLE_ENABLED="false") as running,
    ):
        answer = running.ask("")
        assert (answer.status_code, json.loads(answer.text)["error"]["code"]) == (404, "not_found")
