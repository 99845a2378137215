"""The dashboard says what the marts say, whatever is filtered, and its page is made of that."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.sync.client import connect

from salesops import publication
from salesops.dashboard import figures, page
from salesops.dashboard.figures import Filter
from tests.conftest import ROOT, SALESOPS
from tests.whole.companies import anyones
from tests.whole.conftest import NIGHTS
from tests.whole.project import AS_OF


@pytest.fixture(scope="module")
def data(project, tmp_path_factory) -> Path:
    """A data directory in which one company is published."""
    folder = tmp_path_factory.mktemp("dashboard")
    marts = folder / "published" / "marts.duckdb"
    marts.parent.mkdir()
    with project.build(anyones(3, deals=60), NIGHTS) as connection:
        connection.execute(f"attach '{marts}' as published; copy from database marts to published; detach published")
    named = publication.Publication(
        *("20260630T200000000000Z", AS_OF, None, datetime(2026, 6, 30, 21, tzinfo=UTC), "0" * 40, 1),
        *("Firm & Sons", "SEK", "Europe/Stockholm", False, "run"),
    )
    publication.write_meta(marts, named, [], {})
    return folder


@pytest.fixture(scope="module")
def marts(data):
    with publication.reading(data / "published" / "marts.duckdb") as connection:
        yield connection


@pytest.fixture(scope="module")
def scope(marts):
    return figures.scope(marts)


def single_filters(marts, period: str) -> list[Filter]:
    members = [(name, key) for name in figures.DIMENSIONS for _, key in figures.choices(marts, name)]
    return [Filter(period), *(Filter(period, **{name: key}) for name, key in members)]


def test_what_is_counted_is_what_the_mart_says_for_every_single_filter(marts, scope):
    compared, rated = 0, 0
    for period in ("all", "last_quarter"):
        for chosen, tile in product(single_filters(marts, period), figures.TILES):
            said = figures.from_mart(marts, scope, chosen, tile)
            assert figures.counted(marts, scope, chosen, tile) == replace(said, origin=None), chosen
            compared += said.count > 0
            rated += said.rate is not None
    assert compared > 100
    assert rated > 20


def test_four_quarters_are_the_sum_of_the_marts_quarters(marts, scope):
    first, end = scope.span("last_4_quarters")
    for tile, table, count, value in (
        ("hit_rate", "kpi.win_rate", "decided_count", "won_value"),
        ("bookings", "kpi.bookings", "won_count", "won_value"),
        ("pipeline_created", "kpi.pipeline_created", "created_count", "created_value"),
    ):
        summed = marts.execute(
            f"""select sum({count}), sum({value}) from {table} where period_grain = 'quarter' and dimension = 'company'
            and period_start >= ? and period_start < ?""",
            [first, end],
        ).fetchone()
        said = figures.measure(marts, scope, Filter("last_4_quarters"), tile)
        assert (said.count, said.value, said.origin) == (*summed, None)
        assert said.count > 0


def test_parts_of_two_filters_sum_to_the_mart_of_one(marts, scope):
    for tile in figures.TILES:
        for _, team in figures.choices(marts, "team"):
            whole = figures.measure(marts, scope, Filter("all", team=team), tile)
            parts = [
                figures.measure(marts, scope, Filter("all", team=team, source=source), tile)
                for _, source in figures.choices(marts, "source")
            ]
            assert {part.origin for part in parts} <= {None, "kpi.pipeline_open"}
            assert sum(part.count for part in parts) == whole.count
            assert sum(part.value or 0 for part in parts) == (whole.value or 0)


def test_a_tile_lists_as_many_records_as_it_counts(marts, scope):
    listed = 0
    for chosen in (*single_filters(marts, "all"), Filter("this_quarter"), Filter("last_4_quarters")):
        for tile in figures.TILES:
            found = figures.records(marts, scope, chosen, tile)
            said = figures.measure(marts, scope, chosen, tile)
            assert len(found) == said.count
            if tile in ("bookings", "pipeline_open", "pipeline_created"):
                assert sum(record.amount or 0 for record in found) == said.value
            listed += len(found)
    assert listed > 100


def test_a_member_that_no_mart_has_is_nothing_and_no_error(marts, scope):
    for tile, chosen in product(figures.TILES, (Filter("all", team="?"), Filter("all", team="?", source="?"))):
        said = figures.measure(marts, scope, chosen, tile)
        assert (said.count, said.rate, said.median_days, said.target) == (0, None, None, None)
        assert figures.records(marts, scope, chosen, tile) == []
        assert page.tile(said, scope, chosen, "") and "Nothing" in page.drill(tile, [], scope, chosen)


@pytest.mark.parametrize("dimension", ["company", "source"])
def test_the_app_shows_the_hit_rate_of_the_mart_and_lists_its_deals(data, marts, monkeypatch, dimension):
    from salesops.dashboard.app import app

    member, won, decided, rate = marts.execute(
        """select member_key, won_count, decided_count, win_rate from kpi.win_rate
        where period_grain = 'all' and dimension = ? order by decided_count desc, member_key limit 1""",
        [dimension],
    ).fetchone()
    cuts = {} if dimension == "company" else {dimension: member}
    monkeypatch.setenv("SALESOPS_DATA", str(data))
    picked = {"period": "all"} | {name: cuts.get(name) for name in figures.DIMENSIONS}
    outputs, _ = app.run(defs={name: SimpleNamespace(value=value) for name, value in picked.items()})
    shown = " ".join(getattr(output, "text", "") for output in outputs if output is not None)
    tile = re.search(r'data-tile="hit_rate".*?</section>', shown, re.DOTALL).group()
    assert f"{won} of {decided} decided" in tile
    assert (page.percent(rate) if decided >= figures.FEW else "too few") in tile
    assert len(re.findall('<tr><th scope="row">', shown)) == decided > 0
    assert "Firm &amp; Sons" in shown


def test_the_app_says_that_nothing_is_published(tmp_path, monkeypatch):
    from salesops.dashboard.app import app

    monkeypatch.setenv("SALESOPS_DATA", str(tmp_path))
    outputs, _ = app.run()
    shown = " ".join(getattr(output, "text", "") for output in outputs if output is not None)
    assert "Nothing is published yet" in shown
    assert "data-tile" not in shown


def test_the_page_is_served_to_this_machine_alone_and_loads_nothing_from_elsewhere(data):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"SALESOPS_DATA": str(data)}
    process = subprocess.Popen([SALESOPS, "dashboard", "--port", str(port)], cwd=ROOT, env=environment)
    try:
        answer = _asked(port)
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*', answer.read().decode()) == []
        for foreign in ({"Host": "rebound.example"}, {"Origin": "https://elsewhere.example"}):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/", headers=foreign), timeout=30)
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        bound = [line[1] for line in listening if line[3] == "0A" and line[1].endswith(f":{port:04X}")]
        assert bound == [f"0100007F:{port:04X}"]
        with connect(f"ws://127.0.0.1:{port}/ws?session_id=s_open1") as live:  # an open page does not hold the process
            assert live.recv(timeout=30)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _asked(port: int):
    end = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
