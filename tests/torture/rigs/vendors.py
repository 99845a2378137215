"""Vendors on their worst days: every fault by probability, on every endpoint, while the records move under the reader.

`python -m tests.torture.rigs.vendors`. Nights are read from the practice servers over real HTTP into a DuckDB file;
waits are simulated (`line`). After the faults come two quiet nights: the first must bring raw to the vendor's truth
(records, values, deletions, links, history), the second must find nothing more. Counts balance in every batch, and what
the vendors saw is judged: nobody came back before it was time, none was asked more than it allows.
"""

from __future__ import annotations

import argparse
import copy
import functools
import multiprocessing
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from ingestion import hubspot_reader, pipedrive, pipedrive_reader
from ingestion.hubspot_streams import STAMPS
from ingestion.session import CredentialsError
from sandbox.catalogue import MERGEABLE
from sandbox.faults import Fault, Faults, parse
from sandbox.servers import hubspot as hubspot_server
from sandbox.servers import pipedrive as pipedrive_server
from sandbox.servers import salesforce as salesforce_server
from sandbox.store import Record
from sandbox.world import World
from tests.torture.line import Line
from tests.torture.report import Row
from tests.unit.ingestion import pipedrive_practice, salesforce_practice
from tests.unit.ingestion.practice import (
    Warehouse,
    assert_links_and_history,
    assert_same_as_vendor,
    tiny_world,
)

SEED = 20261126
SHARES = (1, 10, 50)  # percent of the calls
NIGHTS, STORM_NIGHTS = 1, 5  # at each share, of one fault and of all together
HOURS_BETWEEN = 5
WEEK = 8 * 86_400  # seconds, and past whatever is done weekly
ATTEMPTS_FOR_A_PAGE = 24  # `PAGE_ATTEMPTS` times those of the session
MOVED = ("contacts", "companies", "deals", "calls")
TYPED = {"contacts": "jobtitle", "companies": "industry", "deals": "hs_next_step", "calls": "hs_call_title"}
ANY = (
    "rate_limit", "rate_limit_silent", "server_errors", "edge_error", "html", "html_block", "truncated", "null_body",
    "missing_results", "reset", "empty_page", "duplicate_rows", "not_found", "conflict", "missing_scope",
)  # fmt: skip
LOST = "no answer"  # the line's own fault


@dataclass(frozen=True)
class Vendor:
    """How a vendor is served, read and compared."""

    name: str
    serve: Callable[..., Any]
    warehouse: type[Warehouse]
    night: str
    assert_same: Callable[[Any, Any], None]
    faults: tuple[str, ...]
    allowed: tuple[tuple[str, int, int], ...] = ()  # part of an address, seconds, requests within them
    sizes: tuple[tuple[Any, str, int], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    erased: tuple[str, ...] = MOVED
    merged: tuple[str, ...] = MERGEABLE


def _same_hubspot(warehouse: Warehouse, portal: Any) -> None:
    assert_same_as_vendor(warehouse, portal, without=STAMPS)  # a stamp that moved alone makes no version
    assert_links_and_history(warehouse, portal)


VENDORS = {
    "hubspot": Vendor(
        "hubspot", hubspot_server.serve, Warehouse, "sync", _same_hubspot,
        (*ANY, "rate_limit_daily", "locked", "moved", "unauthorized", "expired", "repeated_page", "foreign_next"),
        (("", 10, 100), ("/search", 1, 5)),
        ((hubspot_reader, "PAGE", 20), (hubspot_reader, "HISTORY_PAGE", 10), (hubspot_reader, "SEARCH_PAGE", 5),
         (hubspot_reader, "LINK_PAGE", 20)),
        {"rate_per_second": 9.0},
    ),
    "pipedrive": Vendor(
        "pipedrive", pipedrive_server.serve, pipedrive_practice.PipedriveWarehouse, "night",
        pipedrive_practice.assert_same_as_vendor,
        (*ANY, "rate_limit_daily", "unauthorized", "expired", "repeated_page", "cursor_reset"),
        (("", 2, 20),),
        ((pipedrive_reader, "PAGE", 21), (pipedrive_reader, "OFFSET_OVERLAP", 3), (pipedrive, "ID_BATCH", 20)),
        {"rate_per_second": 8.0},
    ),
    "salesforce": Vendor(
        "salesforce", salesforce_server.serve, salesforce_practice.OrgWarehouse, "read",
        salesforce_practice.assert_same_as_org,
        ("server_errors", "edge_error", "html", "html_block", "truncated", "null_body", "missing_results", "reset",
         "empty_page", "duplicate_rows", "conflict", "missing_scope", "session_expired", "locator_gone",
         "request_limit", "concurrent_limit", "query_timeout", "job_failed"),
        (), (), {"poll_seconds": 2.0},
        ("calls",), ("contacts", "companies"),  # what points at a deal or a person there is not stamped when it goes
    ),
}  # fmt: skip


@dataclass
class Outcome:
    """What a company's nights came to. `lost`: why raw is not the vendor's truth, or what was done that must not be."""

    nights: int = 0
    hits: int = 0
    requests: int = 0
    retries: int = 0
    rows: int = 0
    worst_second: int = 0
    most_in_a_row: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    lost: str = ""


class Bustle(Faults):
    """Faults that are on, and people who change, archive, merge and erase records while somebody pages."""

    def __init__(self, specs: list[str], server: Any, draw: Random, vendor: Vendor) -> None:
        super().__init__(specs)
        self.vendor = vendor
        self.server, self.store, self.world, self.draw, self.hits = server, server.world.store, server.world, draw, 0
        self.is_on = True

    def next(self, path: str) -> Fault | None:
        if self.is_on and self.draw.random() < 0.08:
            self.happen()
        fault = super().next(path)
        self.hits += fault is not None
        return fault

    def happen(self) -> None:
        """One thing happens in the CRM."""
        what, kind, at = self.draw.choice(self.EVENTS), self.draw.choice(MOVED), self.world.stamp()
        what(self, kind, at)

    def _some(self, kind: str, archived: bool = False) -> Record | None:
        rows = [row for row in self.store.records[kind].values() if bool(row.archived_at) == archived]
        return self.draw.choice(rows) if len(rows) > 4 or (archived and rows) else None

    def change(self, kind: str, at: int) -> None:
        if record := self._some(kind):
            self.store.change(record, at, {TYPED[kind]: f'"{at}", å\n\\'})

    def archive(self, kind: str, at: int) -> None:
        if record := self._some(kind):
            self.store.archive(record, at)

    def restore(self, kind: str, at: int) -> None:
        if record := self._some(kind, archived=True):
            self.store.restore(record, at)

    def erase(self, kind: str, at: int) -> None:
        if kind in self.vendor.erased and (record := self._some(kind)):
            self.store.erase(record, at)

    def merge(self, kind: str, at: int) -> None:
        kind = kind if kind in self.vendor.merged else "contacts"
        first, second = self._some(kind), self._some(kind)
        if first and second and first is not second:
            merged = self.store.merge(first, second, at)
            if self.vendor.name == "salesforce":
                self._stamp_what_points_at(merged)

    def _stamp_what_points_at(self, merged: Record) -> None:
        """As that vendor does; what a lead became is two steps away, so all of them."""
        moved = list(self.store.records["leads"].values())
        for (kind, other), table in self.store.links.items():
            if kind == merged.object_type:
                moved += [
                    self.store.records[other][key]
                    for key in table.get(merged.id, ())
                    if key in self.store.records[other]
                ]
        for record in moved:
            self.store.change(record, self.world.now, {})

    def create(self, kind: str, at: int) -> None:
        if record := self._some(kind):
            values = {name: None if "merged" in name else value for name, value in record.properties.items()}
            made = self.store.create(kind, at, values | {TYPED[kind]: f"new {at}"})
            if kind == "deals" and (person := self._some("contacts")):
                self.store.link(made, person, at)

    EVENTS = (change, change, change, archive, restore, erase, merge, create)


def live_through(vendor: Vendor, plan: list[tuple[list[str], float]], seed: int) -> Outcome:
    """One company under each night's faults and share of calls without an answer, then two quiet nights."""
    outcome, line = Outcome(nights=len(plan)), Line(0.0, seed)
    draw = Random(f"{vendor.name}:{plan}:{seed}")
    with ExitStack() as stack:
        for module, name, size in vendor.sizes:
            stack.enter_context(mock.patch.object(module, name, size))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(vendor.serve(practice_world()))
        warehouse = vendor.warehouse(Path(folder) / "data")
        stack.callback(warehouse.close)
        stack.enter_context(line.held())
        if vendor.name == "salesforce":
            server.batch_size = 10
        server.handle_error = lambda *_: None  # a connection that the reader gave up is no news
        server.faults = bustle = Bustle([], server, draw, vendor)
        try:
            for specs, line.lost in plan:
                bustle.active = [parse(spec) for spec in specs]
                _night(vendor, warehouse, server, line, outcome)
                for _ in range(draw.randint(0, 4)):
                    bustle.happen()
                server.world.touches += HOURS_BETWEEN * 3_600
            outcome.hits = bustle.hits + sum(attempt.status is None for attempt in line.attempts) * any(
                lost for _, lost in plan
            )
            bustle.active, bustle.is_on, line.lost = [], False, 0.0
            server.world.touches += WEEK
            _night(vendor, warehouse, server, line, outcome, quiet=True)
            vendor.assert_same(warehouse, server)
            again = _night(vendor, warehouse, server, line, outcome, quiet=True)
            repeats = {n: r for n, r in again.items() if r.rows_appended + r.links_appended + r.history_appended}
            assert not repeats, f"a quiet night appended {repeats}"
            _judge(vendor, warehouse, line)
        except AssertionError as error:
            outcome.lost = f"{error}"[:2000] or traceback.format_exc()[-2000:]
    outcome.worst_second, outcome.most_in_a_row = line.most_within(1), line.most_in_a_row()
    return outcome


def _night(
    vendor: Vendor, warehouse: Any, server: Any, line: Line, outcome: Outcome, quiet: bool = False
) -> dict[str, Any]:
    before = len(line.attempts)
    line.begin()
    try:
        results = getattr(warehouse, vendor.night)(server, backoff_seconds=0.5, **vendor.options)
    except CredentialsError:
        assert not quiet, "a quiet night ended at its credentials"
        outcome.failed["credentials"] += 1
        return {}
    asked = len(line.attempts) - before
    if not quiet:
        outcome.failed.update(r.state for r in results.values())
        outcome.requests += asked
        outcome.retries += sum(r.retries for r in results.values())
        outcome.rows += sum(r.rows_read for r in results.values())
    else:
        failed = {name: r.reason for name, r in results.items() if r.state not in ("ok", "empty") or r.reason}
        assert not failed, f"a quiet night failed: {failed}"
    if vendor.name != "salesforce":  # which signs in over a line of its own
        counted = sum(r.requests for r in results.values())
        assert counted == asked, f"{asked} requests were sent, {counted} counted"
    return results


def _judge(vendor: Vendor, warehouse: Any, line: Line) -> None:
    unbalanced = warehouse.query(
        """select object, rows_read, rows_appended, rows_unchanged, rows_quarantined from raw.batches
           where rows_read <> rows_appended + rows_unchanged + rows_quarantined or rows_unchanged < 0"""
    )
    assert not unbalanced, f"counts do not balance: {unbalanced}"
    assert not line.impatient(), f"asked again before it was time: {line.impatient()[:3]}"
    assert not line.hurried(0.4), f"asked again at once: {line.hurried(0.4)[:3]}"
    assert line.most_in_a_row() <= ATTEMPTS_FOR_A_PAGE, f"{line.most_in_a_row()} attempts for one page"
    for part, seconds, most in vendor.allowed:
        found = line.most_within(seconds, part)
        assert found <= most, f"{found} requests{part} within {seconds} s"


@functools.cache
def _lived() -> World:
    return tiny_world()


def practice_world() -> World:
    """A company of one's own."""
    return copy.deepcopy(_lived())


def cell(name: str, fault: str, shares: tuple[float, ...], seed: int, nights: int) -> Outcome:
    """One vendor under one fault, or under all of them (""): so many nights at each of these shares of the calls.

    The shares come in an order of the fault's own, so that first nights meet all of them.
    """
    vendor = VENDORS[name]
    chosen = [] if fault == LOST else [fault] if fault else list(vendor.faults)
    plan = []
    for share in Random(f"{name}:{fault}").sample(shares, len(shares)):
        specs = [f"{each}%{share / len(chosen):.4f}" for each in chosen]
        lost = share if fault == LOST else 0.0 if fault else share / 10
        plan += [(specs, lost)] * nights
    return live_through(vendor, plan, seed)


def run(scratch: Path, seed: int = SEED, workers: int = 2) -> Iterator[Row]:
    """Each fault: nights, those of companies whose raw ended as their vendor is, companies lost, what it cost."""
    every = dict.fromkeys(fault for vendor in VENDORS.values() for fault in (*vendor.faults, LOST))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        planned = {
            fault: [
                pool.submit(cell, name, fault, SHARES, seed, NIGHTS if fault else STORM_NIGHTS)
                for name, vendor in VENDORS.items()
                if fault in ("", LOST, *vendor.faults)
            ]
            for fault in ("", *every)
        }
        for fault, cells in planned.items():
            yield _row(fault, [one.result() for one in cells])


def _row(fault: str, outcomes: list[Outcome]) -> Row:
    lost = [one for one in outcomes if one.lost]
    requests, read = sum(one.requests for one in outcomes), sum(one.rows for one in outcomes)
    note = f"{sum(one.hits for one in outcomes)} hits, {requests / max(read, 1):.2f} requests a record read"
    note += f" ({sum(one.retries for one in outcomes)} retries), at most {max(one.worst_second for one in outcomes)}"
    note += f" in a second and {max(one.most_in_a_row for one in outcomes)} for one page"
    note += "".join(f"; LOST: {one.lost}" for one in lost)
    label = f"vendors: {fault.replace('_', ' ') or 'all of these together'}, {SHARES} %"
    nights, gone = sum(one.nights for one in outcomes), sum(one.nights for one in lost)
    return Row(label, nights, nights - gone, len(lost), note)


def main() -> int:
    """Print every row; exit code 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vendor", choices=sorted(VENDORS), help="with --fault and --share: one company alone")
    parser.add_argument("--fault", default="")
    parser.add_argument("--share", type=float, default=10.0)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.vendor:
        outcome = cell(given.vendor, given.fault, (given.share,), given.seed, given.nights)
        print(outcome)
        return 1 if outcome.lost else 0
    print(f"seed {given.seed}", flush=True)
    lost = 0
    for row in run(Path(), given.seed, given.workers):
        lost += row[3]
        print(*row, sep=" | ", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
