"""The console in a real browser: the main paths in light and dark, by keyboard alone, without barriers, and alone."""

import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import KEYS, Served
from .shop import MARKUP, USER, WALKER, decision
from .test_pages import asked_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "docs/console"
Scheme = Literal["light", "dark"]
VIEWS = {
    "health": "",
    "quality": "/quality",
    "customers": "/customers",
    "customer": f"/customers/{USER}",
    "long-journey": f"/customers/{WALKER}",
    "unknown-customer": "/customers/nobody",
    "decision": f"/decisions/{decision().decision_id}",
    "search": "/search",
    "products": "/products",
    "product": "/products/p-tea",
    "experiments": "/experiments",
    "alerts": "/alerts",
    "cost": "/cost",
    "audit": "/audit",
    "nothing": "/decisions/none",
}
SHOWN = ("health", "customer", "search", "product")
"""The pictures of docs/console.md."""
MOST_BYTES = 400_000


class Visit:
    """A browser that is signed in, what it was given, and what went wrong in it."""

    def __init__(self, shop: Served, browser: "Browser", scheme: Scheme) -> None:
        self._shop = shop
        self.context: BrowserContext = browser.new_context(
            color_scheme=scheme, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
        )
        self.page: Page = self.context.new_page()
        self.urls: list[str] = []
        self.bytes: dict[str, int] = {}
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.goto(f"{shop.address}/console#{KEYS['admin'][0]}")
        self.page.wait_for_selector("nav.side")

    def go(self, path: str) -> "Page":
        """Open a page and wait for its figures."""
        self.page.goto(f"{self._shop.address}/console{path}")
        self.page.wait_for_selector("main:not([data-pending])")
        return self.page

    def press(self, key: str, times: int = 1) -> None:
        """Press a key."""
        for _ in range(times):
            self.page.keyboard.press(key)

    def tab_to(self, selector: str) -> None:
        """Go on by tabulator until this has the focus."""
        for _ in range(200):
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            self.press("Tab")
        raise AssertionError(f"{selector} cannot be reached by keyboard")


@pytest.fixture
def visit(shop: Served, browser: "Browser") -> Iterator[Visit]:
    made = Visit(shop, browser, "light")
    yield made
    made.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_barrier_or_an_error_or_asks_anybody_else(
    shop: Served, browser: "Browser", scheme: Scheme, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    visit = Visit(shop, browser, scheme)
    pictures = PICTURES if request.config.getoption("--rewrite-golden") else tmp_path
    for name, path in VIEWS.items():
        page = visit.go(path)
        if name in SHOWN:
            pictures.mkdir(exist_ok=True)
            page.screenshot(path=pictures / f"{name}-{scheme}.png", full_page=name != "customer")
        found = Axe().run(page)
        assert found.response["passes"], name
        assert found.violations_count == 0, f"{name} in {scheme}: {found.generate_report()}"
        expected = [] if name != "nothing" else ["404"]
        assert [each for each in visit.wrong if not any(word in each for word in expected)] == [], name
        visit.wrong.clear()
        assert page.title() == page.title().replace("owned", ""), name
    assert [url for url in visit.urls if not url.startswith((shop.address, "data:"))] == []
    visit.context.close()


def test_a_page_weighs_little_with_everything_it_loads(shop: Served, browser: "Browser") -> None:
    for path in (VIEWS[name] for name in SHOWN):
        visit = Visit(shop, browser, "light")
        session = visit.context.new_cdp_session(visit.page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        weights: list[int] = []
        session.on("Network.loadingFinished", lambda event, weights=weights: weights.append(event["encodedDataLength"]))
        visit.go(path)
        assert 10_000 < sum(weights) <= MOST_BYTES, (path, sum(weights))
        visit.context.close()


def test_markup_in_a_name_is_read_and_not_run(visit: Visit) -> None:
    page = visit.go("/products/p-markup")
    assert page.locator("h1").inner_text() == MARKUP
    assert page.locator("main img").count() == 0


def test_charts_are_drawn_and_can_be_read_as_tables(visit: Visit) -> None:
    page = visit.go("/products/p-tea")
    assert page.locator("figure.chart canvas").count() == 2
    page.get_by_text("Scores over time as a table").click()
    rows = page.get_by_role("region", name="Scores over time").locator("tbody tr")
    assert rows.count() == 14
    assert re.match(r"\d{4}-\d\d-\d\d\s", rows.first.inner_text())


def test_everything_can_be_done_by_keyboard_alone(shop: Served, visit: Visit) -> None:
    page = visit.go("")
    visit.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    visit.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    # From the first page to a customer.
    visit.go("/customers")
    page.keyboard.type(USER)
    visit.press("Enter")
    page.wait_for_url(f"**/customers/{USER}")
    page.wait_for_selector("main:not([data-pending])")
    # A product is hidden: open, say why, ask.
    visit.tab_to("td details summary")
    visit.press("Enter")
    visit.tab_to("td details input[name=reason]")
    page.keyboard.type("the customer is allergic")
    visit.press("Enter")
    page.wait_for_url("**notice=asked")
    assert page.get_by_role("status").first.inner_text().startswith("Asked for.")
    assert asked_for(shop, "hide_product")[-1]["reason"] == "the customer is allergic"
    # Light becomes dark, and stays so.
    visit.tab_to("#theme")
    visit.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    visit.go("/search")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    visit.tab_to("form[action$=sign-out] button")
    visit.press("Enter")
    page.wait_for_url("**/sign-in")


def test_an_erasure_has_to_be_meant(shop: Served, visit: Visit) -> None:
    page = visit.go(f"/customers/{USER}")
    page.get_by_text("Erase everything about this customer").click()
    form = page.locator("form", has=page.get_by_role("button", name="Erase"))
    form.get_by_label("Why").fill("asked by the customer")
    form.get_by_role("button", name="Erase").click()
    assert page.url.endswith(USER)  # The browser asks for the user_id first.
    form.get_by_label("Type the user_id once more").fill("u-4712")
    form.get_by_role("button", name="Erase").click()
    page.wait_for_selector("[role=alert]")
    assert "type the user_id once more" in page.get_by_role("alert").inner_text()
    assert [row for row in asked_for(shop, "erase") if row["user_id"] == USER] == []


def test_the_key_of_an_address_is_gone_from_it_at_once(visit: Visit) -> None:
    assert "ak_" not in visit.page.url
    assert all("ak_" not in url.partition("#")[0] for url in visit.urls)
    assert visit.page.evaluate("document.cookie") == ""


def test_the_pictures_in_the_docs_are_of_this_console(request: pytest.FixtureRequest) -> None:
    """Pictures cannot be compared; what they were taken of can."""
    digest = hashlib.sha256()
    for folder in ("templates", "static"):
        for file in sorted((files("shopstream.ml_features.console") / folder).iterdir(), key=lambda file: file.name):
            digest.update(file.name.encode() + file.read_bytes())
    noted = PICTURES / "source.txt"
    if request.config.getoption("--rewrite-golden"):
        noted.write_text(digest.hexdigest() + "\n")
    assert noted.read_text().strip() == digest.hexdigest(), "the pages changed: `make screenshots`"
    page = (ROOT / "docs/console.md").read_text()
    assert {f"console/{name}-{scheme}.png" for name in SHOWN for scheme in ("light", "dark")} == set(
        re.findall(r"console/[a-z-]+\.png", page)
    )
    assert {f"{name}-{scheme}.png" for name in SHOWN for scheme in ("light", "dark")} == {
        path.name for path in PICTURES.glob("*.png")
    }
