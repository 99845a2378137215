"""The brief and the dashboard in a real browser, over a published night: `python -m tests.browser.run data`.

Needs Chromium on the path and `pip install -e '.[browser]'`, which the gate does not have, and npm for axe-core the
first time (`make test-browser`). Both at three widths, light and dark: nothing wider than the screen, nothing upon
another thing, every chart says in words what it shows, and axe-core finds no violation; the brief in both languages.
In the dashboard every period and some filters are chosen; each hit rate must be the mart's, each list as long as its
tile says, and nothing may be asked of any other host. `--keep folder` leaves pictures.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from salesops import publication
from salesops.brief import page as brief
from salesops.dashboard import figures, page
from salesops.dashboard.figures import Filter
from tests.browser import looks

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a data directory with a publication")
    parser.add_argument("--keep", type=Path, help="folder for pictures")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on the path", file=sys.stderr)
        return 2
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "salesops"), "dashboard", "--port", str(port)]
    environment = os.environ | {"SALESOPS_DATA": str(given.data.resolve())}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            marts = given.data / "published" / "marts.duckdb"
            wrong = _read_brief(browser, marts, given.keep)
            checked, more = _visit(browser, port, marts, given.keep)
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        try:
            code = server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise
    assert code == 0, code
    if wrong + more:
        print("\n".join(wrong + more), file=sys.stderr)
        return 1
    print(f"{checked} tiles and lists are those of the marts; nothing was asked of another host")
    return 0


def _read_brief(browser: Any, marts: Path, keep: Path | None) -> list[str]:
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for path in brief.write(marts, Path(folder), pdf=False):
            wrong += _looked_at(browser, path.as_uri(), f"brief.{path.name.split('.')[1]}", keep, lambda shown: None)
    return wrong


def _looked_at(browser: Any, address: str, name: str, keep: Path | None, ready: Callable[[Page], None]) -> list[str]:
    """What is wrong with a page at any width, light or dark."""
    wrong = []
    for scheme in ("light", "dark"):
        for width in looks.WIDTHS:
            shown = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
            shown.goto(address)
            ready(shown)
            found = looks.layout(shown) + looks.violations(shown)
            wrong += [f"{name}, {scheme}, {width} pixels: {text}" for text in found]
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                shown.screenshot(path=str(keep / f"{name}-{scheme}-{width}.png"), full_page=True)
            shown.close()
    return wrong


def _visit(browser: Any, port: int, marts: Path, keep: Path | None) -> tuple[int, list[str]]:
    home = f"http://127.0.0.1:{port}/"
    asked: list[str] = []
    shown = browser.new_page(viewport={"width": 1280, "height": 1000})
    shown.set_default_timeout(15_000)
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("websocket", lambda live: asked.append(live.url))
    _open(shown, home)
    checked = 0
    with publication.reading(marts) as connection:
        scope = figures.scope(connection)
        for chosen in _filters(connection):
            _choose(shown, connection, chosen)
            for tile in figures.TILES:
                said = figures.measure(connection, scope, chosen, tile)
                _compare(shown, said)
                checked += 1
    foreign = [url for url in asked if re.match(r"(https?|wss?)://", url) and f"://127.0.0.1:{port}/" not in url]
    assert not foreign, foreign
    return checked, _looked_at(browser, home, "dashboard", keep, _ready)


def _filters(connection: Any) -> list[Filter]:
    (_, team), (_, owner) = (figures.choices(connection, name)[0] for name in ("team", "owner"))
    (_, segment), (_, source) = (figures.choices(connection, name)[0] for name in ("segment", "source"))
    single = [Filter("all", team=team), Filter("all", owner=owner), Filter("all", segment=segment)]
    return [*(Filter(period) for period in figures.PERIODS), *single, Filter("last_quarter", team=team, source=source)]


def _open(shown: Page, home: str) -> None:
    shown.goto(home)
    _ready(shown)


def _ready(shown: Page) -> None:
    shown.wait_for_selector("[data-tile=response]", timeout=60_000)
    shown.wait_for_selector("#drill")


def _choose(shown: Page, connection: Any, chosen: Filter) -> None:
    shown.get_by_label("Period").select_option(label=figures.PERIODS[chosen.period])
    for name, label in (("team", "Team"), ("owner", "Seller"), ("segment", "Segment"), ("source", "Source")):
        key = getattr(chosen, name)
        wanted = "All" if key is None else next(text for text, k in figures.choices(connection, name) if k == key)
        shown.get_by_label(label, exact=True).select_option(label=wanted)


def _compare(shown: Page, said: figures.Measure) -> None:
    tile = shown.locator(f"[data-tile={said.tile}]")
    expect(tile.get_by_role("button")).to_have_text(
        f"Show {page.plural(said.count, page.BUTTONS[said.tile][:-1])}", timeout=15_000
    )
    if said.tile == "hit_rate" and said.decided:
        expect(tile).to_contain_text(f"{said.good} of {said.decided} decided", timeout=15_000)
        assert said.rate is not None
        expect(tile.locator(".big")).to_have_text("too few" if said.is_few else page.percent(said.rate))
    tile.get_by_role("button").click()
    expect(shown.locator("#drill")).to_contain_text(page.TITLES[said.tile], timeout=15_000)
    expect(shown.locator("#drill")).to_contain_text(
        f": {page.plural(said.count, page.BUTTONS[said.tile][:-1])}", timeout=15_000
    )
    rows = shown.locator(f"table[data-drill={said.tile}] tbody tr")
    expect(rows).to_have_count(min(said.count, page.MOST_ROWS), timeout=15_000)


if __name__ == "__main__":
    sys.exit(main())
