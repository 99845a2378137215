"""The sheets of the practice company: contracts and targets, the same for the same company, changing as it lives."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from sandbox import budget, sheets, truth
from sandbox.world import World, live

END = date(2026, 11, 2)


@pytest.fixture(scope="module")
def company() -> World:
    return live(7, "small", END)


@pytest.fixture(scope="module")
def large() -> World:
    return live(7, "default", END)


def contract_lines(world: World) -> list[list[str]]:
    return [line.split(";") for line in sheets.contracts_csv(world).decode("cp1252").splitlines()[1:]]


def test_a_night_without_a_lived_day_leaves_the_files_alone(company: World, tmp_path: Path) -> None:
    sheets.write(company, tmp_path)
    first = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    sheets.write(live(7, "small", END), tmp_path)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == first
    assert set(first) == {"avtal.csv", "budget.xlsx"}
    assert all(
        stamp == company.now * 1_000_000 for _, stamp in first.values()
    )  # as old as the company, not as the disk


def test_contracts_come_end_and_change_as_days_pass() -> None:
    world = live(7, "small", date(2026, 3, 2))
    before = {line[0]: line for line in contract_lines(world)}
    world.tick(120)
    after = {line[0]: line for line in contract_lines(world)}
    assert set(after) - set(before), "no contract was signed or renewed"
    assert any(after[key] != before[key] for key in set(after) & set(before)), "no end was corrected"


def test_every_contract_is_of_a_living_company_and_ends_after_it_starts(large: World) -> None:
    names = [record.properties["name"] for record in large.store.records["companies"].values()]
    for line in large.contracts.values():
        company = large.store.records["companies"][line.company_id]
        assert names.count(company.properties["name"]) == 1  # the sheet knows names only
        assert line.end is None or line.end > line.start
        assert line.deal_id is None or large.store.records["deals"][line.deal_id]
        assert line in large.customers[line.company_id]
    assert sum(map(len, large.customers.values())) == len(large.contracts)


def test_what_becomes_of_a_contract_is_of_every_kind(large: World) -> None:
    kinds = set()
    for lines in large.customers.values():
        ordered = sorted(lines, key=lambda line: (line.start, line.id))
        for line, following in pairwise(ordered):
            if line.end is not None and following.start > line.end:
                days = (following.start - line.end).days - 1
                kinds.add("renewed in time" if days == 0 else "renewed late" if days <= 60 else "came back")
                kinds.add(
                    "more" if following.yearly > line.yearly else "less" if following.yearly < line.yearly else "same"
                )
            else:
                kinds.add("bought more")
        if ordered and all(line.end is not None and line.end < large.lived_until for line in ordered):
            kinds.add("left")
    assert kinds == {"renewed in time", "renewed late", "came back", "more", "less", "same", "bought more", "left"}


def test_the_workbook_holds_every_version_of_every_target_and_a_total(large: World) -> None:
    import io

    rows = CalamineWorkbook.from_filelike(io.BytesIO(sheets.targets_workbook(large))).get_sheet_by_index(0).to_python()
    assert tuple(rows[2]) == sheets.TARGET_COLUMNS
    assert len(rows) - 3 == len(large.targets) + 1
    assert rows[-1][0] == sheets.TOTAL and rows[-1][3] == sum(line.amount for line in large.targets)
    assert sum(1 for row in rows[3:] if row[5]) == sum(line.valid_from is not None for line in large.targets) > 0


def test_a_leavers_targets_are_handed_over_and_none_is_lost(large: World) -> None:
    sold = {line.owner_id for line in large.targets}
    assert any(owner.archived_at and owner.id in sold for owner in large.owners)
    planned = {(line.team, line.month): 0 for line in large.targets}
    for line in budget.in_force(large).values():
        planned[line.team, line.month] += line.amount
    for team in ("New Business", "Enterprise"):
        amounts = [planned[team, month] for team_, month in planned if team_ == team and month.year == 2026]
        assert len(amounts) == 12 and len(set(amounts)) <= 2  # one figure, and the raised one


def test_customers_of_the_overselling_seller_leave(large: World) -> None:
    rows = {(row["dimension"], row["member"]): row for row in truth.of(large)["acquisition_quality"]}
    oversold = rows["owner", large.causes.overselling_owner_id]
    everyone = rows["company", "all"]
    others = (everyone["churned_count"] - oversold["churned_count"]) / (
        everyone["matured_count"] - oversold["matured_count"]
    )
    assert oversold["churned_count"] / oversold["matured_count"] > 2.5 * others
