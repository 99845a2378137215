"""The whole dbt project, compiled once, on companies of a few rows: raw rows in, every table out, in memory.

`Company` is a HubSpot portal with sheets beside it, told by what happened in it; `Project` lands it as nights at given
instants would have, builds every model in the order in which each can be read, and runs every data test.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion import landing

AS_OF = datetime(2026, 6, 30, 20, tzinfo=UTC)
LATER = datetime(2026, 7, 20, 3, tzinfo=UTC)  # a night after AS_OF
_E, _K = "2026-06-30T20:00:00+00:00", "2099-12-31T00:00:00+00:00"  # as they stand in the compiled SQL
LANDING = ("known_from", "first_seen_at")  # when our extract held it: nothing that happened at the company
HISTORY = {
    "deals": {
        *("dealstage", "pipeline", "amount", "deal_currency_code", "closedate", "hubspot_owner_id", "dealtype"),
        *("hs_manual_forecast_category", "closed_lost_reason", "hs_next_step"),
    },
    "contacts": {"lifecyclestage", "hubspot_owner_id"},
    "companies": {"industry", "numberofemployees", "segment"},
    "leads": {"hs_pipeline", "hs_pipeline_stage", "hubspot_owner_id"},
}
# the nights' own tables, which no company fills: each object of the portal was read
_SOURCES = """
    insert into warehouse.raw.settings_objects (source, object, is_enabled, is_required, warn_hours, error_hours)
        select 'hubspot', name, true, true, 26, 50 from (values ('deals'), ('contacts'), ('owners')) as objects (name);
    insert into warehouse.raw.sync_state (source, object, completed_at, last_success_at, state)
        select source, object, timestamptz '2026-07-20 03:00+00', timestamptz '2026-07-20 03:00+00', 'ok'
        from warehouse.raw.settings_objects
"""
PLAINLY_DATED = ("contacts", "companies", "deals", "line_items")  # createdate; hs_createdate elsewhere


@dataclass(frozen=True)
class Fact:
    """A property that somebody set, or cleared (None)."""

    at: datetime
    name: str
    value: str | None
    by: str = "7"


@dataclass(frozen=True)
class Record:
    """`ended`: when it was archived, or merged into `survivor`."""

    kind: str
    id: str
    created: datetime
    facts: tuple[Fact, ...]
    links: tuple[tuple[str, str, str | None], ...] = ()  # (object, id, label)
    ended: datetime | None = None
    survivor: str | None = None

    def until(self, night: datetime) -> Record:
        facts = tuple(sorted((fact for fact in self.facts if fact.at <= night), key=lambda fact: fact.at))
        return replace(self, facts=facts, ended=self.ended if self.ended and self.ended <= night else None)

    @property
    def version_at(self) -> datetime:
        return max([self.created, *(fact.at for fact in self.facts), *([self.ended] if self.ended else [])])

    def payload(self) -> dict[str, Any]:
        if self.ended and self.survivor:
            return {"id": self.id, "merged_into": self.survivor, "tombstone": "merged"}
        values = {fact.name: fact.value for fact in self.facts}
        created = stamp(self.created)
        if self.kind in ("pipelines", "owners", "account_info", "lead_pipelines"):
            body = {"id": self.id, "createdAt": created} | {
                key: json.loads(value or "null") for key, value in values.items()
            }
            return body | ({"archived": True, "archivedAt": stamp(self.ended)} if self.ended else {})
        values["createdate" if self.kind in PLAINLY_DATED else "hs_createdate"] = created
        body = {"id": self.id, "createdAt": created, "archived": bool(self.ended), "properties": values}
        return body | ({"archivedAt": stamp(self.ended)} if self.ended else {})


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class Company:
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    sheets: list[tuple[str, str, datetime, dict[str, str | None]]] = field(
        default_factory=list
    )  # object, key, saved, fields
    entries: list[tuple[str, str, datetime, dict[str, Any]]] = field(
        default_factory=list
    )  # register, number, when it came to be so, what it says

    def add(self, kind: str, id: str, created: datetime, links: Any = (), by: str = "7", **values: str | None) -> None:
        facts = tuple(Fact(created, name, value, by) for name, value in values.items())
        self.records[kind, id] = Record(kind, id, created, facts, tuple(links))

    def set(self, kind: str, id: str, at: datetime, by: str = "7", **values: str | None) -> None:
        record = self.records[kind, id]
        added = tuple(Fact(at, name, value, by) for name, value in values.items())
        self.records[kind, id] = replace(record, facts=record.facts + added)

    def end(self, kind: str, id: str, at: datetime, survivor: str | None = None) -> None:
        self.records[kind, id] = replace(self.records[kind, id], ended=at, survivor=survivor)

    def pipeline(self, id: str, label: str, stages: list[tuple[str, str, float | None]], at: datetime) -> None:
        """Stages as (id, label, None for an open one, else 1.0 won or 0.0 lost)."""
        listed = [
            {
                "id": stage,
                "label": name,
                "displayOrder": order,
                "metadata": {
                    "isClosed": str(ends is not None).lower(),
                    "probability": str(0.5 if ends is None else ends),
                },
            }
            for order, (stage, name, ends) in enumerate(stages)
        ]
        values = {"label": json.dumps(label), "stages": json.dumps(listed)}
        if ("pipelines", id) in self.records:
            self.set("pipelines", id, at, **values)
        else:
            self.add("pipelines", id, at, **values)

    def owner(self, id: str, name: str, team: str, at: datetime) -> None:
        first, last = name.split()
        teams = [{"id": team.lower(), "name": team, "primary": True}]
        values = {
            "firstName": first,
            "lastName": last,
            "email": f"{first.lower()}@firm.example",
            "userId": int(id),
            "teams": teams,
        }
        self.add("owners", id, at, **{key: json.dumps(value) for key, value in values.items()})


class Project:
    """Every model and data test compiled once. `build` gives a connection on which all schemas of the marts stand."""

    def __init__(self, scratch: Path) -> None:
        from tests.conftest import run_dbt  # wants pytest, which whoever only lands a company has not

        with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
            landing.prepare(connection)
        run_dbt(scratch, "seed")
        given = {"as_of": _E, "known_as_of": _K}
        nodes = [run.node for run in run_dbt(scratch, "compile", "--no-populate-cache", variables=given)]
        self.tests = {node.name: node for node in nodes if node.resource_type == "test"}
        models = {node.unique_id: node for node in nodes if node.resource_type == "model"}
        self.models: list[Any] = []
        seen: set[str] = set()

        def visit(id: str) -> None:
            if id in models and id not in seen:
                seen.add(id)
                for parent in models[id].depends_on.nodes:
                    visit(parent)
                self.models.append(models[id])

        for id in models:
            visit(id)
        self.empty = scratch / "warehouse.duckdb"

    def build(
        self,
        company: Company,
        nights: list[datetime],
        *,
        as_of: datetime = AS_OF,
        known_as_of: datetime | None = None,
        afterwards: tuple[Company, list[datetime]] | None = None,
    ) -> duckdb.DuckDBPyConnection:
        """Every table, as of (E, K), of what the nights landed; `afterwards`: another company under the same ids takes
        the portal over, and is read on nights of its own."""
        connection = self._prepared()
        land(connection, company, nights, afterwards)
        self.make(connection, as_of, known_as_of.isoformat() if known_as_of else _K)
        return connection

    def build_landed(self, landed: Path, as_of: datetime, marts: Path) -> dict[str, int]:
        """The same from what a reader has landed in a warehouse file, into a file; the data tests that find rows."""
        with self._prepared(str(marts)) as connection:
            connection.execute(f"attach '{landed}' as landed (read_only)")
            for (table,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'landed' and schema_name = 'raw'"
                " and table_name <> 'layout'"
                " intersect select table_name from duckdb_tables() where database_name = 'warehouse'"
            ).fetchall():
                connection.execute(f"insert into warehouse.raw.{table} by name from landed.raw.{table}")
            self.make(connection, as_of, _K)
            return self.failures(connection)

    def _prepared(self, marts: str = ":memory:") -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute(
            f"set timezone = 'UTC'; attach '{self.empty}' as empty (read_only); attach ':memory:' as warehouse"
        )
        connection.execute(f"copy from database empty to warehouse; detach empty; attach '{marts}' as marts")
        connection.execute(
            "create schema warehouse.crm; create schema warehouse.matching; create schema warehouse.rules; "
            "create schema warehouse.forecasts; create schema warehouse.sellers; create schema warehouse.signals"
        )
        for schema in ("pipeline", "kpi", "meta"):
            connection.execute(f"create schema marts.{schema}")
        return connection

    def make(
        self, connection: duckdb.DuckDBPyConnection, as_of: datetime, known_as_of: str = _K, only: Any = None
    ) -> None:
        """Every model, or those for which `only` holds, upon what stands there."""
        connection.execute(f"set variable e = '{as_of.isoformat()}'")
        connection.execute(f"set variable k = '{known_as_of}'")
        for model in self.models:
            if only and not only(model):
                continue
            if model.language == "python":
                _run_python(connection, model)
                continue
            kind = "view" if model.config.materialized == "view" else "table"
            sql = _as_of_its_instants(connection, model.compiled_code)
            connection.execute(f"create or replace {kind} {model.relation_name} as {sql}")

    def keys(self) -> dict[str, list[str]]:
        """`schema.name` of each pipeline and kpi table -> the columns that name a row once, as its test has it."""
        found: dict[str, list[str]] = {}
        names = {model.unique_id: f"{model.schema}.{model.name}" for model in self.models}
        for node in self.tests.values():
            test = getattr(node, "test_metadata", None)
            if test and test.name in ("unique", "unique_combination") and node.attached_node in names:
                found[names[node.attached_node]] = test.kwargs.get("columns") or [test.kwargs["column_name"]]
        return {table: found[table] for table in self.tables()}

    def failures(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Data tests with severity error that find rows, and how many."""
        found = {}
        for name, test in self.tests.items():
            if str(test.config.severity).lower() != "error":
                continue
            if count := self.rows_of(connection, name):
                found[name] = count
        return found

    def is_written(self, test: str) -> bool:
        """False for the tests of columns that YAML names."""
        path = self.tests[test].original_file_path
        return path.startswith("tests/") and "generic" not in path

    def rows_of(self, connection: duckdb.DuckDBPyConnection, test: str) -> int:
        sql = _as_of_its_instants(connection, self.tests[test].compiled_code)
        return connection.execute(f"select count(*) from ({sql}) as found").fetchone()[0]

    def tables(self) -> list[str]:
        """`schema.name` of each pipeline and kpi model; meta holds ages by the real clock."""
        return [f"{model.schema}.{model.name}" for model in self.models if model.schema in ("pipeline", "kpi")]

    def differences(
        self, one: duckdb.DuckDBPyConnection, other: duckdb.DuckDBPyConnection, without: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Tables whose rows differ, with an example from each side."""
        found = {}
        for table in self.tables():
            columns = [row[0] for row in one.execute(f"describe marts.{table}").fetchall() if row[0] not in without]
            listed = ", ".join(f"cast({column} as varchar)" for column in columns)
            rows = [
                sorted(side.execute(f"select {listed} from marts.{table}").fetchall(), key=repr)
                for side in (one, other)
            ]
            if rows[0] != rows[1]:
                sets = [set(side) for side in rows]
                only = [[row for row in rows[a] if row not in sets[b]][:2] for a, b in ((0, 1), (1, 0))]
                found[table] = {"columns": columns, "one": only[0], "other": only[1]}
        return found


def _run_python(connection: duckdb.DuckDBPyConnection, model: Any) -> None:
    """A Python model as dbt runs it: its compiled module gets what it reads as relations, and gives one."""
    module: dict[str, Any] = {}
    exec(model.compiled_code, module)
    reads = module["dbtObj"](lambda relation: connection.query(f"select * from {relation}"))
    connection.register("python_model", module["model"](reads, connection))
    connection.execute(f"create or replace table {model.relation_name} as from python_model")
    connection.unregister("python_model")


def _as_of_its_instants(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Compiled SQL with the instants that the tables of the connection were built for."""
    e, k = connection.execute("select getvariable('e'), getvariable('k')").fetchone()
    return sql.replace(_E, e).replace(_K, k)


def land(
    connection: duckdb.DuckDBPyConnection,
    company: Company,
    nights: list[datetime],
    afterwards: tuple[Company, list[datetime]] | None = None,
) -> None:
    """Into the prepared raw tables of the attached `warehouse`, as these nights would have."""
    rows: dict[str, list[list[Any]]] = defaultdict(list)
    landed: dict[Any, Any] = {}
    connection.execute(_SOURCES)
    for batch, night in enumerate(sorted(nights), 1):
        _land(company, night, batch, landed, rows)
    if afterwards:
        for batch, night in enumerate(sorted(afterwards[1]), len(nights) + 1):
            _land(afterwards[0], night, batch, landed, rows)
    for table, listed in rows.items():
        marks = ", ".join("?" * len(listed[0]))
        connection.executemany(f"insert into warehouse.raw.{table} values ({marks})", listed)


def _land(
    company: Company, night: datetime, batch: int, landed: dict[Any, Any], rows: dict[str, list[list[Any]]]
) -> None:
    """What a night at that instant appends: changed versions, new history, links, sheet rows."""
    for key, record in company.records.items():
        if record.created > night:
            continue
        table, now = f"hubspot__{record.kind}", record.until(night)
        body = now.payload()
        text = json.dumps(body, sort_keys=True)
        if landed.get(key) != text:
            landed[key] = text
            digest = str(hash(text))
            rows[table].append([record.id, now.version_at, now.ended is not None, text, digest, batch, night])
        by_name = defaultdict(list)
        for fact in now.facts:
            by_name[fact.name].append(fact)
        for name in by_name.keys() & HISTORY.get(record.kind, set()):
            for position, fact in enumerate(reversed(by_name[name]), 1):  # the vendor's order: 1 = newest
                entry = (*key, name, fact.at, fact.value)
                if entry not in landed:
                    landed[entry] = True
                    rows[f"{table}_history"].append(
                        [record.id, name, fact.value, fact.at, "CRM_UI", fact.by, position, batch, night]
                    )
        for target, other, label in record.links:
            if (*key, target, other) not in landed:
                landed[*key, target, other] = True
                rows[f"{table}_{target}_links"].append(
                    [record.id, other, "HUBSPOT_DEFINED", "1", label, False, batch, night]
                )
    for kind, key, saved, fields in company.sheets:
        if saved <= night and landed.get((kind, key)) != fields:
            landed[kind, key] = fields
            body = {"cells": {}, "corrected": {}, "fields": fields, "file": f"{kind}.csv", "row": 2, "sheet": None}
            text = json.dumps(body, sort_keys=True)
            rows[f"spreadsheets__{kind}"].append([key, saved, False, text, str(hash(text)), batch, night])
    for register, number, at, says in company.entries:
        if at <= night and ("entry", register, number, at) not in landed:
            landed["entry", register, number, at] = True
            text = json.dumps(says, sort_keys=True)
            rows[f"registries__{register}"].append([number, at, False, text, str(hash(text)), batch, night])
