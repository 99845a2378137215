"""The practice company: the same for the same seed, day by day, and its truth told without our SQL."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox import faults, truth
from sandbox.catalogue import DEAL_STAGES, PIPELINES
from sandbox.properties import names
from sandbox.store import milliseconds
from sandbox.world import World, live, load

END = date(2026, 11, 2)
ROOT = Path(__file__).parents[3]


def digest(world: World) -> str:
    """Every record with its history, every link and every event."""
    store = world.store
    parts = [
        *(repr(row) for rows in store.records.values() for row in rows.values()),
        *(f"{pair}{from_id}{to_id}{sorted(kinds)}" for pair, table in store.links.items()
          for from_id, held in table.items() for to_id, kinds in held.items()),
        *map(repr, store.log), *map(repr, world.owners), repr(world.duplicates), repr(store.aliases),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@pytest.fixture(scope="module")
def small() -> World:
    return live(7, "small", END)


def test_the_same_seed_makes_the_same_company(small: World) -> None:
    assert digest(live(7, "small", END)) == digest(small)


def test_another_seed_makes_another(small: World) -> None:
    assert digest(live(8, "small", END)) != digest(small)


def test_a_day_later_is_the_same_whether_lived_at_once_or_ticked() -> None:
    """Which is why `tick` may live the company again from its seed."""
    start = live(3, "tiny", END).start
    at_once = World(3, "tiny", start, date(2026, 11, 5)).live()
    ticked = World(3, "tiny", start, END).live()
    for _ in range(3):
        before = ticked.now
        ticked.tick()
        assert ticked.now - before in (23 * 3_600_000, 24 * 3_600_000, 25 * 3_600_000)
    assert ticked.end == date(2026, 11, 5)
    assert digest(ticked) == digest(at_once)


def test_a_tick_changes_no_earlier_day(small: World) -> None:
    later = live(7, "small", END).tick(5)
    until = small.now
    assert [e for e in later.store.log if e.at < until] == [e for e in small.store.log if e.at < until]
    assert len(later.store.log) > len(small.store.log)


def test_a_saved_company_is_lived_again(small: World, tmp_path: Path) -> None:
    small.save(tmp_path)
    assert digest(load(tmp_path)) == digest(small)


def test_it_has_what_the_analyses_must_cope_with() -> None:
    world = live(7, "default", END)
    store = world.store
    kinds = Counter(event.kind for event in store.log)
    assert min(kinds[kind] for kind in ("created", "changed", "archived", "restored", "merged", "erased", "linked")) > 0
    assert {row["kind"] for row in world.duplicates} == {"same_email", "same_phone", "same_domain", "same_deal"}
    assert any(owner.archived_at for owner in world.owners)
    assert {r.properties["pipeline"] for r in store.records["deals"].values()} == {p.id for p in PIPELINES["deals"]}
    moves = [life.visits for life in truth.lives(store.log).values()]
    rank = {stage.id: place for p in PIPELINES["deals"] for place, stage in enumerate(p.stages)}
    steps = [rank[b[0]] - rank[a[0]] for visits in moves for a, b in pairwise(visits)]
    assert min(steps) < 0 and max(steps) > 1, "no deal goes back, or none skips"
    assert any(len(held) > 1 for held in store.links[("deals", "contacts")].values())
    assert max(int(key) for key in store.records["notes"]) > 2**53


def test_records_hold_the_defined_properties_only(small: World) -> None:
    for name, rows in small.store.records.items():
        for row in rows.values():
            assert set(row.properties) <= names(name), name


def test_stamps_never_run_backwards_or_ahead(small: World) -> None:
    for rows in small.store.records.values():
        for row in rows.values():
            assert row.created_at <= row.updated_at <= small.now + 86_400_000
            for changes in row.history.values():
                assert [c.at for c in changes] == sorted(c.at for c in changes)


class TestTruth:
    @pytest.fixture(scope="class")
    @classmethod
    def told(cls, small: World) -> dict:
        return truth.of(small)

    def test_it_owes_nothing_to_our_sql(self) -> None:
        for path in (ROOT / "sandbox").rglob("*.py"):
            tree = ast.parse(path.read_text())
            imported = {
                alias.name.split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            } | {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
            assert not imported & {"duckdb", "dbt", "dagster", "ingestion", "salesops", "dagster_project"}, path
            assert "select " not in path.read_text().lower().replace("--select ", ""), path

    def test_deals_end_where_their_records_are(self, told: dict, small: World) -> None:
        for row in small.store.records["deals"].values():
            deal, stage = told["deals"][row.id], DEAL_STAGES[row.properties["dealstage"] or ""]
            state = "won" if stage.is_won else "lost" if stage.is_closed else "open"
            assert deal["life_state"] == ("removed" if row.archived_at else state)
            assert deal["visits"][-1]["stage"] == row.properties["dealstage"]
        gone = set(told["deals"]) - set(small.store.records["deals"])
        assert {told["deals"][key]["life_state"] for key in gone} <= {"merged"}

    def test_totals_are_their_parts(self, told: dict) -> None:
        states = Counter(deal["life_state"] for deal in told["deals"].values())
        everyone = told["win_rate"]["all"]
        assert everyone["won_count"] <= states["won"] and everyone["lost_count"] <= states["lost"]
        for part in ("by_owner", "by_pipeline", "by_source"):
            rows = told["win_rate"][part].values()
            assert sum(row["won_count"] for row in rows) == everyone["won_count"]
            assert sum(Decimal(row["lost_value"]) for row in rows) == Decimal(everyone["lost_value"])
        assert told["open_pipeline"]["open_count"] == states["open"]
        assert sum(row["lost_count"] for row in told["loss_by_stage"].values()) == everyone["lost_count"]
        response = told["lead_response"]
        assert response["lead_count"] == len(told["leads"])
        names = ("met", "breached", "not_due", "already_in_contact")
        assert sum(response[name] for name in names) == response["lead_count"]

    def test_the_file_holds_the_same(self, told: dict, small: World, tmp_path: Path) -> None:
        assert json.loads(truth.write(small, tmp_path).read_text()) == json.loads(json.dumps(told))

    def test_planted_causes_are_named_and_real(self, told: dict, small: World) -> None:
        causes = told["causes"]
        assert causes["overselling_owner_id"] in {owner.id for owner in small.owners}
        assert causes["leak_stage_id"] in DEAL_STAGES
        assert date.fromisoformat(causes["leak_since"]).weekday() == 0


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "name", "argument", "nth", "times"),
        [
            ("down", "down", "", 1, faults.FOR_EVER),
            ("server_errors:deals@3x2", "server_errors", "deals", 3, 2),
            ("html@5", "html", "", 5, 1),
            ("missing_scope:emails", "missing_scope", "emails", 1, faults.FOR_EVER),
            ("duplicates:12", "duplicates", "12", 1, 1),
        ],
    )
    def test_a_fault_is_read(self, text, name, argument, nth, times) -> None:
        fault = faults.parse(text)
        assert (fault.name, fault.argument, fault.nth, fault.times) == (name, argument, nth, times)

    @pytest.mark.parametrize("text", ["", "nonsense", "down@", "down@x2", "Down", "down%", "down@2%5"])
    def test_an_unknown_one_lists_those_there_are(self, text) -> None:
        with pytest.raises(ValueError, match="rate_limit_silent"):
            faults.parse(text)

    def test_calls_are_counted_per_route(self) -> None:
        active = faults.Faults(["html:deals@2x2"])
        paths = ("/deals", "/contacts", "/deals", "/deals", "/deals")
        assert [active.next(path) is not None for path in paths] == [False, False, True, True, False]

    def test_a_share_of_the_calls_is_hit_whatever_the_order_of_threads(self) -> None:
        paths = [f"/{name}" for name in "abcd" for _ in range(200)]
        first, second = (faults.Faults(["html%10"]) for _ in range(2))
        hit = {(path, n) for n, path in enumerate(paths) if first.next(path)}
        assert 40 < len(hit) < 130
        for n, path in sorted(enumerate(paths), key=lambda pair: (pair[0] % 200, pair[0])):
            assert (second.next(path) is not None) == ((path, n) in hit)

    def test_missing_scopes_do_not_hide_each_other(self) -> None:
        active = faults.Faults(["missing_scope:emails", "missing_scope:0-3"])
        assert active.next("/crm/v3/objects/deals?limit=1").argument == "0-3"
        assert active.next("/crm/v4/associations/emails/deals/batch/read").argument == "emails"
        assert active.next("/crm/v3/objects/contacts") is None

    def test_dirt_and_duplicates_are_really_put_in(self) -> None:
        world = live(7, "small", END)
        known = len(world.duplicates)
        faults.apply_data_faults(world, faults.Faults(["duplicates:5", "dirty_values"]))
        assert len(world.duplicates) == known + 5
        deals = [row.properties for row in world.store.records["deals"].values()]
        assert {"ninety thousand", "1e6", "", "-2500"} <= {row["amount"] for row in deals}
        assert "stage_that_was_deleted" in {row["dealstage"] for row in deals}
        assert len({row.id for row in world.store.records["contacts"].values() if row.id.startswith("99000000")}) == 5
        tomorrow = live(7, "small", END).tick()
        assert set(tomorrow.store.records["contacts"]) <= set(world.tick().store.records["contacts"])


def test_a_deal_in_a_stage_that_was_deleted_stays_there_and_the_company_lives_on():
    world = live(seed=5, size="tiny", end=date(2026, 3, 2))
    opened = [deal for deal in world.store.records["deals"].values() if deal.properties["hs_is_closed"] == "false"]
    for deal in opened:
        world.store.change(deal, world.stamp(), {"dealstage": "stage_that_was_deleted"})
    world.tick(45)
    assert opened and {deal.properties["dealstage"] for deal in opened} == {"stage_that_was_deleted"}


def test_what_was_due_on_silent_days_comes_after_them(tmp_path):
    """A fault that stops all events must not let them happen behind a reader's back later."""
    before = live(seed=5, size="tiny", end=date(2026, 3, 2))
    before.save(tmp_path)
    stopped = before.now
    before.be_silent(9).save(tmp_path)
    kept = load(tmp_path)
    assert kept.now == stopped + 9 * 86_400_000
    assert not [event for event in kept.store.log if event.at >= stopped]
    lived_on = kept.tick(3)
    new = [event.at for event in lived_on.store.log if event.at >= stopped]
    assert new and min(new) >= stopped + 9 * 86_400_000


def test_what_happens_on_a_day_that_was_read_at_noon_happens_after_noon(tmp_path):
    """A night at noon reads a day that the company has not lived yet: nothing of it may come before what was read."""
    plain = live(seed=3, size="small", end=date(2026, 6, 2))
    read_at = datetime(2026, 6, 2, 10, 0, tzinfo=UTC)
    company = live(seed=3, size="small", end=date(2026, 6, 2))
    company.was_read(read_at)
    for each in (plain, company):
        each.tick(2)
    before = milliseconds(datetime(2026, 6, 1, 22, 0, tzinfo=UTC))
    noon, midnight = milliseconds(read_at), before + 86_400_000
    assert any(before <= event.at < noon for event in plain.store.log)
    assert not any(before <= event.at < noon for event in company.store.log)
    assert any(noon <= event.at < midnight for event in company.store.log)
    company.save(tmp_path)
    again = load(tmp_path)
    assert [event.at for event in again.store.log] == [event.at for event in company.store.log]
