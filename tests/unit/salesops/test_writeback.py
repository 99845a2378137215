"""Writing back to each CRM over real HTTP: a plan that is edited, applied, applied again, and taken back."""

from __future__ import annotations

import json
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from typer.testing import CliRunner

from ingestion.session import MissingScopeError
from ingestion.writing import CrmWriter
from salesops import workbook, writeback, writeback_plan
from salesops.cli import app
from salesops.config import Settings
from tests.unit.salesops.crm_practice import PRACTICES, served

NOW = datetime(2026, 11, 3, 8, tzinfo=UTC)
SETTINGS = Settings.model_validate({"writeback": {"enabled": True}})


FIELDS = ("industry", "employees", "domain")
OURS = {
    "industry": "industry",
    "employees": "numberofemployees",
    "domain": "domain",
}  # in the practice company's records
STEEL, MINING = "MACHINERY", "MARITIME"


@pytest.fixture(scope="module", params=PRACTICES)
def living_crm(request):
    with served(request.param) as server:
        yield request.param, server


@pytest.fixture
def crm(living_crm):
    """One CRM for all tests, which leave no task and no fault in it; each writes to three companies as new."""
    living_crm[1].set_faults([])
    yield living_crm
    living_crm[1].set_faults([])


@pytest.fixture
def portal(crm) -> Any:
    return crm[1]


@pytest.fixture
def writer(crm):
    writer = PRACTICES[crm[0]].writer(crm[1])
    yield writer
    writer.close()


class Company:
    """The published proposals for three companies of a CRM, and the CRM's own records of them."""

    def __init__(self, crm: str, portal: Any, folder: Path):
        self.crm, self.portal, self.folder = crm, portal, folder
        self.properties = SETTINGS.writeback.properties(crm)
        living = [r for r in portal.world.store.records["companies"].values() if r.archived_at is None]
        self.records = living[:3]
        self.ids = [PRACTICES[crm].id_of(portal, record) for record in self.records]
        self._set({"industry": None, "numberofemployees": None, "domain": None, "salesops_enrichment": None})
        people = [r for r in portal.world.store.records["contacts"].values() if r.archived_at is None]
        self.contacts = [r for r in people if r.source != "FORM"][:2]  # who came by a form may be a lead only
        folder.mkdir(exist_ok=True)
        self.published = folder / "marts.duckdb"
        with duckdb.connect(str(self.published)) as marts:
            marts.execute("""
                create schema meta; create schema kpi;
                create table meta.publication as select timestamptz '2026-11-02 20:00:00+00' as as_of;
                create table kpi.enrichment_worklist (
                    place int, source text, name text, field text, value text, value_from text, observed_date date,
                    confidence double, value_count int, value_at_stake decimal(18, 2), owner text, record_url text,
                    record_key text
                );
                create table kpi.duplicate_worklist (
                    place int, action text, thing text, name text, into_name text, explanation text,
                    value_at_stake decimal(18, 2), owner text, record_url text, into_record_url text, record_key text,
                    into_record_key text
                );
            """)
            offers = [
                ("=1+1 AB", "industry", STEEL, "sheet:x", "2026-10-01", 0.9, 1, 10, "Ann", self.key(0)),
                ("=1+1 AB", "employees", "1200", "register", None, 1, 2, 10, "Ann", self.key(0)),
                ("B", "domain", "norsk.no", "register", None, None, 1, None, "Bo", self.key(1)),
                ("C", "employees", "many", "sheet:x", None, None, 1, None, "Bo", self.key(2)),
                ("C", "status", "active", "register", None, None, 1, None, "Bo", self.key(2)),
                ("C", "industry", MINING, "register, found by entity resolution", None, 1, 1, None, "Bo", self.key(2)),
            ]
            rows = [(place, crm, *offer[:9], None, offer[9]) for place, offer in enumerate(offers, start=1)]
            marts.executemany("insert into kpi.enrichment_worklist values (" + ", ".join("?" * 13) + ")", rows)
            marts.execute(
                """insert into kpi.duplicate_worklist
                values (1, 'merge', 'contact', 'A', 'B', 'same e-mail', 5, 'Ann', null, null, ?, ?),
                    (2, 'merge', 'contact', 'A', 'D', 'same phone', 5, 'Ann', null, null, ?, 'sheet:contact:1')""",
                [*(f"{crm}:contact:{id}" for id in self.contact_ids), f"{crm}:contact:{self.contact_ids[0]}"],
            )

    @property
    def contact_ids(self) -> list[str]:
        return [PRACTICES[self.crm].id_of(self.portal, record) for record in self.contacts]

    def key(self, place: int) -> str:
        return f"{self.crm}:company:{self.ids[place]}"

    def note(self, field: str, said_by: str) -> str:
        return f"{self.properties[field]}: {said_by}, 2026-11-03"

    def _set(self, values: dict[str, str | None]) -> None:
        for record in self.records:
            self.portal.world.store.change(record, self.portal.world.stamp(), dict(values), "CRM_UI")

    def type(self, place: int, **values: str) -> None:
        """As a person does in the CRM."""
        self.portal.world.store.change(self.records[place], self.portal.world.stamp(), dict(values), "CRM_UI")

    def now(self, place: int) -> dict[str, Any]:
        names = ("industry", "numberofemployees", "domain", "salesops_enrichment")
        return {name: self.records[place].properties.get(name) or "" for name in names}

    def tasks(self) -> list[Any]:
        made = self.portal.world.store.records["tasks"].values()
        return [
            r
            for r in made
            if str(r.properties.get("hs_task_subject")).startswith("Merge duplicate") and not r.archived_at
        ]

    def plan(self) -> Path:
        return writeback_plan.write_plan(self.published, SETTINGS, self.folder / "plan.xlsx").path


@pytest.fixture
def company(crm: tuple[str, Any], tmp_path: Path) -> Company:
    return Company(*crm, tmp_path)


def edit(plan: Path, sheet: str, row: int, **cells: str) -> None:
    book = openpyxl.load_workbook(plan)
    titles = [cell.value for cell in book[sheet][1]]
    for title, value in cells.items():
        book[sheet].cell(row, titles.index(title.replace("_", " ")) + 1, value)
    book.save(plan)


def apply(company: Company, writer: CrmWriter, name: str = "undo.jsonl") -> dict[str, int]:
    undo = company.folder / name
    outcome = writeback.apply(
        SETTINGS, {company.crm: writer}, company.folder / "plan.xlsx", undo, lambda text: None, NOW
    )
    assert stat.S_IMODE(undo.stat().st_mode) == 0o600
    return dict(outcome.counts)


def test_empty_fields_are_filled_and_say_where_from(company, writer):
    made = writeback_plan.write_plan(company.published, SETTINGS, company.folder / "plan.xlsx")
    assert (made.field_count, made.task_count) == (5, 1)
    assert made.left_out == [f"1 values for {company.crm} status: there is no property to write them to"]
    assert apply(company, writer) == {"filled": 3, "refused": 1}  # "many" is no number of employees
    assert (company.now(0)["industry"], company.now(0)["numberofemployees"]) == (STEEL, "1200")
    assert company.now(0)["salesops_enrichment"].splitlines() == [
        company.note("industry", "sheet:x"),
        company.note("employees", "register"),
    ]
    assert company.now(1)["domain"] == "norsk.no"
    assert company.now(2)["industry"] == ""  # nobody said yes to what was found by name
    assert not company.tasks()  # nor to the task


def test_a_plan_applied_twice_changes_nothing(company, writer):
    company.plan()
    apply(company, writer)
    before = [company.now(place) for place in range(3)]
    stamps = [record.updated_at for record in company.records]
    assert apply(company, writer, "again.jsonl") == {"already there": 3, "refused": 1}
    assert [company.now(place) for place in range(3)] == before
    assert [record.updated_at for record in company.records] == stamps


def test_what_a_person_typed_meanwhile_is_kept(company, writer):
    company.plan()
    company.type(0, industry=MINING)
    assert apply(company, writer)["filled by a person meanwhile, kept"] == 1
    assert (company.now(0)["industry"], company.now(0)["numberofemployees"]) == (MINING, "1200")


def test_a_line_that_a_person_struck_or_changed_is_obeyed(company, writer):
    plan = company.plan()
    edit(plan, "Fields", 2, Do="no")
    edit(plan, "Fields", 4, New_value="svensk.se")
    edit(plan, "Fields", 5, New_value="30")
    assert apply(company, writer) == {"filled": 3}
    assert company.now(0)["industry"] == ""
    assert (company.now(1)["domain"], company.now(2)["numberofemployees"]) == ("svensk.se", "30")


def test_undo_empties_what_is_still_ours_and_keeps_the_rest(company, writer):
    company.type(0, salesops_enrichment="domain: older run, 2026-01-01")
    company.plan()
    apply(company, writer)
    company.type(0, numberofemployees="1300")
    outcome = writeback.undo({company.crm: writer}, company.folder / "undo.jsonl", lambda text: None)
    assert dict(outcome.counts) == {"emptied again": 2, "changed since, kept": 1}
    assert (company.now(0)["industry"], company.now(0)["numberofemployees"]) == ("", "1300")
    assert company.now(0)["salesops_enrichment"].splitlines() == [
        "domain: older run, 2026-01-01",
        company.note("employees", "register"),
    ]
    assert company.now(1)["domain"] == company.now(1)["salesops_enrichment"] == ""
    again = writeback.undo({company.crm: writer}, company.folder / "undo.jsonl", lambda text: None)
    assert dict(again.counts) == {"changed since, kept": 3}


def test_a_run_that_was_killed_after_a_write_can_be_taken_back(company, writer):
    company.plan()
    apply(company, writer)
    undo = company.folder / "undo.jsonl"
    lines = undo.read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["intended", "done"] * 2
    undo.write_text("\n".join([lines[0], lines[2]]) + '\n{"state": "inte')  # no write was confirmed, one line is torn
    assert dict(writeback.undo({company.crm: writer}, undo, lambda text: None).counts) == {"emptied again": 3}


def test_what_is_sent_is_in_the_undo_file_first(company, writer, monkeypatch):
    company.plan()
    sent, fill = [], writer.fill

    def watched(kind, record_id, values):
        last = json.loads((company.folder / "undo.jsonl").read_text().splitlines()[-1])
        sent.append((last["state"], last["id"] == record_id, last["values"].items() <= dict(values).items()))
        fill(kind, record_id, values)

    monkeypatch.setattr(writer, "fill", watched)
    apply(company, writer)
    assert sent == [("intended", True, True)] * 2


def test_a_task_that_somebody_began_stays(company, writer):
    edit(company.plan(), "Merge tasks", 2, Do="yes")
    apply(company, writer)
    (task,) = company.tasks()
    company.portal.world.store.change(task, company.portal.world.stamp(), {"hs_task_status": "COMPLETED"}, "CRM_UI")
    outcome = writeback.undo({company.crm: writer}, company.folder / "undo.jsonl", lambda text: None)
    assert (outcome.counts["changed since, kept"], company.tasks()) == (1, [task])
    company.portal.world.store.archive(task, company.portal.world.stamp())


def test_a_merge_proposal_becomes_one_task_of_the_owner(company, writer):
    plan = company.plan()
    edit(plan, "Merge tasks", 2, Do="yes")
    assert apply(company, writer)["tasks created"] == 1
    (task,) = company.tasks()
    folded, survivor = company.contact_ids
    assert task.properties["hs_task_subject"] == f"Merge duplicate contacts: {folded} into {survivor}"
    assert task.properties["hubspot_owner_id"] == company.contacts[1].properties["hubspot_owner_id"]
    linked = set(company.portal.world.store.links[("tasks", "contacts")][task.id])
    assert company.contacts[1].id in linked <= {record.id for record in company.contacts}
    assert apply(company, writer, "again.jsonl")["already there"] == 4
    assert len(company.tasks()) == 1
    assert (
        writeback.undo({company.crm: writer}, company.folder / "undo.jsonl", lambda text: None).counts["tasks removed"]
        == 1
    )
    assert not company.tasks()


def test_a_record_that_is_gone_is_said_and_the_others_are_filled(company, writer):
    company.plan()
    company.portal.world.store.archive(company.records[0], company.portal.world.stamp())
    assert apply(company, writer) == {"no longer in the CRM": 1, "filled": 1, "refused": 1}


def test_a_portal_without_the_mark_is_left_alone(company, writer):
    company.plan()
    mark = {"mark_property": "no_such__c"}
    settings = Settings.model_validate({"writeback": {"enabled": True, company.crm: mark}})
    with pytest.raises(writeback.PlanError, match="no property no_such__c"):
        writeback.apply(
            settings, {company.crm: writer}, company.folder / "plan.xlsx", company.folder / "u", lambda text: None, NOW
        )
    assert company.now(0)["industry"] == ""
    assert not (company.folder / "u").exists()


@pytest.mark.parametrize(
    ("sheet", "row", "cells", "says"),
    [
        ("Fields", 2, {"Record": "{crm}:company:x"}, "expected {crm}:company:<id of"),
        ("Fields", 2, {"Field": "colour"}, "no property is configured for the field 'colour'"),
        ("Fields", 2, {"New_value": ""}, "New value is empty"),
        ("Fields", 3, {"Field": "industry"}, "in the plan twice"),
        ("Merge tasks", 2, {"Do": "yes", "Record": "{crm}:deal:1"}, "expected two records of one kind"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named_and_the_others_are(company, writer, sheet, row, cells, says):
    edit(company.plan(), sheet, row, **{name: cell.format(crm=company.crm) for name, cell in cells.items()})
    outcome = writeback.apply(
        SETTINGS, {company.crm: writer}, company.folder / "plan.xlsx", company.folder / "u", lambda text: None, NOW
    )
    assert any(
        f"plan.xlsx, {sheet}, row {row}" in problem and says.format(crm=company.crm) in problem
        for problem in outcome.problems
    )
    assert company.now(1)["domain"] == "norsk.no"


def test_text_that_looks_like_a_formula_stays_text(company):
    book = openpyxl.load_workbook(company.plan())
    cell = book["Fields"].cell(2, 3)
    assert (cell.value, cell.data_type) == ("=1+1 AB", "s")


def test_a_link_of_a_workbook_opens_a_web_page_and_nothing_else(tmp_path):
    links = ["https://app.example/1", "external:\\\\evil\\share\\run.exe", "file:///etc/passwd", "=cmd|' /C calc'!A0"]
    columns = [workbook.Column("Link", 12, "record_url", "link")]
    workbook.write(tmp_path / "links.xlsx", "Links", date(2026, 1, 1), [("Links", columns, [(x,) for x in links])], 1)
    cells = [row[0] for row in openpyxl.load_workbook(tmp_path / "links.xlsx")["Links"].iter_rows(min_row=2)]
    assert [cell.hyperlink.target if cell.hyperlink else None for cell in cells] == [links[0], None, None, None]
    assert [(cell.value, cell.data_type) for cell in cells[1:]] == [(link, "s") for link in links[1:]]


def test_a_token_that_may_not_write_is_told_by_its_scope(company, writer, portal):
    company.plan()
    portal.set_faults([f"missing_scope:{PRACTICES[company.crm].scope}"])
    with pytest.raises(MissingScopeError):
        apply(company, writer)


def test_nothing_is_written_unless_the_company_has_opted_in(company, tmp_path, monkeypatch):
    company.plan()
    config = tmp_path / "salesops.toml"
    practice = PRACTICES[company.crm]
    config.write_text(practice.source(company.portal))
    monkeypatch.setenv("SALESOPS_CONFIG", str(config))
    for name, secret in practice.secrets(company.portal).items():
        monkeypatch.setenv(name, secret)
    result = CliRunner().invoke(app, ["writeback", "--apply", str(company.folder / "plan.xlsx")])
    assert result.exit_code == 2
    assert "[writeback]" in result.output
    assert company.now(0)["industry"] == ""
    config.write_text(config.read_text() + "[writeback]\nenabled = true\n")
    result = CliRunner().invoke(app, ["writeback", "--apply", str(company.folder / "plan.xlsx")])
    assert result.exit_code == 3  # a line was refused
    assert "3 filled" in result.output
    (undo,) = company.folder.glob("plan.undo-*.jsonl")
    result = CliRunner().invoke(app, ["writeback", "--undo", str(undo)])
    assert (result.exit_code, company.now(0)["industry"]) == (0, "")
