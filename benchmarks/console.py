"""How quickly the console's pages are there, on the demo's data, and what they weigh. Needs Debian's Chromium.

Example: make bench-console
"""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import httpx
from playwright.sync_api import Page, sync_playwright

from .results import Goal, at_most, show, write

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0
EVERY_SECONDS = 11.0
"""Figures are remembered for ten: a page asked for after so long asks the warehouse anew."""
_OPTIONS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@dataclass(frozen=True)
class Served:
    """The demo's console."""

    address: str
    key: str
    customer: str
    """One of the best."""


@contextmanager
def demo(households: int, days: int) -> Iterator[Served]:
    """The demo, from when its console is there until it is stopped."""
    with TemporaryDirectory() as directory:
        sizes = ("--households", str(households), "--days", str(days))
        command = [sys.executable, "-m", "deploy.local.demo", *sizes, "--serve", "--directory", f"{directory}/demo"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            customer = ""
            for line in process.stdout:
                click.echo(line.rstrip(), err=True)
                customer = customer or "".join(re.findall(r"^── (household-\d+) ", line))
                if found := re.search(r"console, read-only: (http://\S+/console)#(pk_\S+)", line):
                    yield Served(found[1], found[2], customer)
                    return
            raise click.ClickException("the demo ended without a console")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def answered(client: httpx.Client, path: str) -> tuple[float, httpx.Response]:
    """Milliseconds to the last byte of an answer, and the answer."""
    began = time.perf_counter()
    answer = client.get(path)
    milliseconds = (time.perf_counter() - began) * 1000
    if answer.status_code != httpx.codes.OK:
        raise click.ClickException(f"{path} answered {answer.status_code}")
    return milliseconds, answer


def server_row(client: httpx.Client, view: str, path: str, rounds: int) -> dict[str, Any]:
    """A view asked for when nothing of it is remembered, until it is whole, and again and again after that."""
    time.sleep(EVERY_SECONDS)
    began = time.perf_counter()
    first, answer = answered(client, path)
    slowest = first
    while "data-pending" in answer.text:
        if time.perf_counter() - began > PATIENCE_SECONDS:
            raise click.ClickException(f"{path} never got its figures")
        milliseconds, answer = answered(client, path)
        slowest = max(slowest, milliseconds)
    whole = (time.perf_counter() - began) * 1000
    again = [answered(client, path)[0] for _ in range(rounds)]
    return {
        "view": view,
        "first answer, ms": round(first, 1),
        "slowest answer, ms": round(max(slowest, *again), 1),
        "with all figures, ms": round(whole, 1),
        "again, median ms": round(median(again), 1),
    }


def paint_row(page: Page, view: str, url: str, weights: list[int]) -> dict[str, Any]:
    """A view in a browser with an empty cache: what it paints first, when it is whole, what came over the wire."""
    time.sleep(EVERY_SECONDS)
    weights.clear()
    page.goto(url)
    page.wait_for_selector("main:not([data-pending])", timeout=PATIENCE_SECONDS * 1000)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    whole = page.evaluate("performance.now()")
    page.wait_for_load_state("networkidle")
    return {
        "view": view,
        "first paint, ms": round(paint, 1),
        "with all figures, ms": round(whole, 1),
        "kB over the wire": round(sum(weights) / 1000, 1),
    }


def painted(served: Served, views: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every view, in Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise click.ClickException("needs Debian's chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        page = browser.new_page()
        page.goto(f"{served.address}#{served.key}")
        page.wait_for_selector("nav.side")
        weights: list[int] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
        rows = [paint_row(page, view, served.address + path, weights) for view, path in views.items()]
        browser.close()
    return rows


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--households", default=450, show_default=True, type=click.IntRange(1), help="Of the demo.")
@click.option("--days", default=120, show_default=True, type=click.IntRange(1), help="Of the demo.")
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(1), help="So often each view is repeated.")
def main(households: int, days: int, rounds: int) -> None:
    """Run the demo, look at every view of its console, and write benchmarks/results/console.json; eight minutes.

    Example: python -m benchmarks.console --households 50 --days 60
    """
    with demo(households, days) as served:
        headers = {"Cookie": f"shopstream_console={served.key}", "Accept-Encoding": "gzip"}
        with httpx.Client(headers=headers, timeout=60) as client:
            _, products = answered(client, f"{served.address}/products")
            while not (found := re.search(r"/console(/products/[^\"]+)\"", products.text)):
                _, products = answered(client, f"{served.address}/products")
            views = {
                "health": "",
                "quality": "/quality",
                "customer": f"/customers/{served.customer}",
                "search": "/search",
                "products": "/products",
                "product": found[1],
                "alerts": "/alerts",
                "cost": "/cost",
            }
            answers = [server_row(client, view, served.address + path, rounds) for view, path in views.items()]
        paints = painted(served, views)
    goals = [
        at_most("First paint of the slowest view, ms", 1000, max(row["first paint, ms"] for row in paints)),
        at_most("Slowest answer of the server, ms", 300, max(row["slowest answer, ms"] for row in answers)),
        at_most("Heaviest view, kB", 400, max(row["kB over the wire"] for row in paints)),
    ]
    tables = {
        f"Asked over loopback, figures forgotten before ({households} households, {days} days)": answers,
        "In Chromium, with an empty cache and figures forgotten before": paints,
    }
    show(tables, goals)
    _keep(tables, goals)


def _keep(tables: Mapping[str, list[dict[str, Any]]], goals: list[Goal]) -> None:
    packages = ("fastapi", "jinja2", "uvicorn", "bqemulator", "duckdb", "playwright")
    write("console", "The console", tables, goals, packages=packages)


if __name__ == "__main__":
    main()
