"""The history of deals against plain Python: random moves, edits, deletions, restorations; many in one instant.

The oracle walks a deal's events by the definitions of stage visits and intervals; it knows no SQL. The compiled staging
and pipeline models run over raw rows in an in-memory DuckDB: the whole way from payload to visit is covered.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion import landing
from tests.conftest import compiled_sql

AS_OF = datetime(2026, 6, 30, 20, tzinfo=UTC)
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
STAGES = {"a": (1, "open"), "b": (2, "open"), "c": (3, "open"), "w": (None, "won"), "l": (None, "lost")}
QUALIFIED = 2
# in the order in which each can be read from the ones before it
MODELS = (
    *("stg_hubspot__accounts", "stg_hubspot__pipeline_stages", "stg_hubspot__deals", "stg_hubspot__deals_history"),
    *("stg_hubspot__deals_landed", "stg_hubspot__owner_teams", "int_crm__accounts", "int_crm__pipeline_stages"),
    *(
        "int_crm__deals",
        "int_crm__deals_history",
        "int_crm__deals_landed",
        "int_crm__owner_teams",
        "stages",
        "deal_versions",
        "deal_stage_visits",
    ),
)
RELAXED = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    variables = {"as_of": AS_OF.isoformat(), "qualified_stage": {"p": "b"}, "crms": ["hubspot"]}
    return compiled_sql(tmp_path_factory.mktemp("dbt_compile"), "--select", *MODELS, variables=variables)


@pytest.fixture(scope="module")
def database(compiled):
    """Raw tables, the pipeline, and every model as a view; other tables that the models read are empty."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse; attach ':memory:' as marts; use warehouse")
    landing.prepare(connection)
    connection.execute("create schema if not exists marts.pipeline")
    stages = [
        {
            "id": stage,
            "label": stage.upper(),
            "displayOrder": order,
            "metadata": {
                "isClosed": str(state != "open").lower(),
                "probability": {"won": "1.0", "lost": "0.0"}.get(state, "0.5"),
            },
        }
        for order, (stage, (_, state)) in enumerate(STAGES.items())
    ]
    payload = json.dumps({"id": "p", "label": "Sales", "stages": stages})
    connection.execute(
        "insert into raw.hubspot__pipelines values ('p', ?, false, ?, 'h', 1, ?)", [START, payload, START]
    )
    connection.execute(
        """create table staging.stage_map (source varchar, pipeline_id varchar, stage_id varchar, label varchar,
               rank bigint, phase varchar, is_sales boolean, valid_from date);
           create table staging.stg_spreadsheets__deals (deal_id varchar, owner varchar, owner_email varchar,
               stage varchar, pipeline varchar, amount decimal(18, 2), currency varchar, created_date date,
               sao_date date, close_date date, closed_date date, life_state varchar, is_deleted boolean,
               version_at timestamptz, landed_at timestamptz, known_from timestamptz);
           create table staging.stg_spreadsheets__owners (owner_id varchar, name varchar, email varchar,
               known_from timestamptz, is_deleted boolean);
           create table staging.stg_spreadsheets__activities (owner varchar, known_from timestamptz,
               is_deleted boolean);
           create table staging.stg_spreadsheets__targets (owner varchar, known_from timestamptz, is_deleted boolean);
           create schema crm;
           create table crm.int_crm__owners (source varchar, owner_id varchar, name varchar, email varchar,
               known_from timestamptz);
           create table marts.pipeline.owners (owner_key varchar, team varchar, source varchar);
           create table marts.pipeline.exchange_rates (currency varchar, date date, rate_to_base decimal(18, 8))"""
    )
    for model in MODELS:
        place = {"stg": "warehouse.staging", "int": "warehouse.crm"}.get(model[:3], "marts.pipeline")
        connection.execute(f"create or replace view {place}.{model} as {compiled[model]}")
    yield connection
    connection.close()


# --- random lives --------------------------------------------------------------------------------------------------

moves = st.tuples(
    st.integers(1, 60),  # hours since the deal was created: small, so that instants collide
    st.sampled_from(["stage", "stage", "stage", "amount", "remove", "restore"]),
    st.sampled_from([*STAGES, "gone"]),
    st.integers(0, 3),
)
lives = st.lists(moves, max_size=12)
given_lives = given(st.lists(lives, min_size=1, max_size=8), st.sampled_from(["a", "b", "c"]), st.randoms())


def events_of(life: list) -> list[tuple[datetime, str, str]]:
    """Instant, field, value; in order. A stage change while the record is deleted cannot happen at the vendor."""
    events, removed = [], False
    for hours, kind, stage, number in sorted(life, key=lambda move: move[0]):
        at = START + timedelta(hours=hours)
        if kind in ("remove", "restore"):
            if removed != (kind == "remove") and not any(when == at for when, _, _ in events):
                removed = kind == "remove"
                events.append((at, "deletion", "removed" if removed else ""))
        elif not removed and not any((when, field) == (at, "deletion") for when, field, _ in events):
            events.append((at, "dealstage", stage) if kind == "stage" else (at, "amount", f"{number * 100}"))
    return events


def land(database, deal_id: str, first: str, events: list, shuffled) -> None:
    """Raw rows as a night would have landed them: history in any order, versions at each deletion and now."""
    history = [(START, "dealstage", first), (START, "pipeline", "p")]
    history += [event for event in events if event[1] != "deletion"]
    rows = []
    for _, same in groupby(sorted(history, key=lambda entry: (entry[1], entry[0])), key=lambda entry: entry[1]):
        entries = list(same)
        position = len(entries)
        for at, field, value in entries:  # the vendor's order: 1 = newest
            rows.append([deal_id, field, value, at, "CRM_UI", "7", position, 1, AS_OF])
            position -= 1
    shuffled.shuffle(rows)
    database.executemany("insert into raw.hubspot__deals_history values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    values = {"dealstage": first, "pipeline": "p", "amount": None}
    versions = []
    for at, field, value in events:
        if field == "deletion":
            versions.append((at, value == "removed", dict(values)))
        else:
            values[field] = value
    newest = max([at for at, _, _ in events], default=START)
    if not versions or versions[-1][0] < newest:
        versions.append((newest, versions[-1][1] if versions else False, dict(values)))
    versions.insert(0, (START, False, {"dealstage": first, "pipeline": "p", "amount": None}))
    landed = []
    for number, (at, is_deleted, properties) in enumerate(versions):
        created = START.isoformat().replace("+00:00", "Z")
        body = {"id": deal_id, "createdAt": created, "properties": properties | {"createdate": created}}
        landed.append([deal_id, at, is_deleted, json.dumps(body), str(number), 1, AS_OF])
    shuffled.shuffle(landed)
    database.executemany("insert into raw.hubspot__deals values (?, ?, ?, ?, ?, ?, ?)", landed)


# --- the oracle ----------------------------------------------------------------------------------------------------


def states_of(first: str, events: list) -> list[tuple[datetime, str, str, Decimal | None, list[str]]]:
    """(from, stage, deletion, amount, stages overtaken in that instant), one for each instant with an event."""
    stage, deletion, amount = first, "", None
    states = [(START, stage, deletion, amount, [])]
    for at, same in groupby(events, key=lambda event: event[0]):
        entered = []
        for _, field, value in same:
            if field == "deletion":
                deletion = value
            elif field == "amount":
                amount = Decimal(value)
            else:
                entered.append(value)
        overtaken = [name for name in entered[:-1] if name != entered[-1]]
        stage = entered[-1] if entered else stage
        states.append((at, stage, deletion, amount, overtaken))
    return states


def life_state(stage: str, deletion: str) -> str:
    return deletion or STAGES.get(stage, (None, "open"))[1]


def versions_of(states: list) -> list[tuple]:
    """Intervals with equal neighbours joined."""
    found: list[tuple] = []
    for at, stage, deletion, amount, _ in states:
        entry = (life_state(stage, deletion), stage, amount, deletion)
        if not found or found[-1][1:] != entry:
            found.append((at, *entry))
    ends = [entry[0] for entry in found[1:]] + [None]
    return [(at, end, life, stage, amount) for (at, life, stage, amount, _), end in zip(found, ends, strict=True)]


def visits_of(states: list) -> list[tuple]:
    """(stage, entered, exited, entry kind, exit kind) of every visit of an open stage, zero-length ones included."""
    steps: list[tuple[str, str, datetime, datetime | None]] = []  # life, stage, entered, exited when it had no length
    for at, stage, deletion, _, overtaken in states:
        life = life_state(stage, deletion)
        if not deletion:
            steps += [("open", name, at, at) for name in overtaken if STAGES.get(name, (None, ""))[1] == "open"]
        is_same = steps and steps[-1][3] is None and steps[-1][0] == life and (life != "open" or steps[-1][1] == stage)
        if not is_same:
            steps.append((life, stage, at, None))
    visits, qualified = [], False
    for number, (life, stage, entered, ended) in enumerate(steps):
        rank = STAGES.get(stage, (None, ""))[0]
        before = steps[number - 1] if number else None
        after = steps[number + 1] if number + 1 < len(steps) else None
        if life != "open":
            continue
        qualified = qualified or (rank is not None and rank >= QUALIFIED)
        exited = ended or (after[2] if after else None)
        visits.append((stage, entered, exited, entry_of(before, rank), exit_of(after, rank, qualified)))
    return visits


def entry_of(before, rank: int | None) -> str:
    if before is None:
        return "created_here"
    if before[0] != "open":
        return "restored" if before[0] == "removed" else "reopened"
    earlier = STAGES.get(before[1], (None, ""))[0]
    if rank is None or earlier is None or rank == earlier + 1 or rank == earlier:
        return "forward"
    return "regression" if rank < earlier else "skipped_in"


def exit_of(after, rank: int | None, qualified: bool) -> str | None:
    if after is None:
        return None
    if after[0] == "lost" and not qualified:
        return "disqualified"
    if after[0] != "open":
        return after[0]
    later = STAGES.get(after[1], (None, ""))[0]
    if rank is None or later is None or later == rank + 1 or later == rank:
        return "advanced"
    return "regressed" if later < rank else "skipped_ahead"


# --- the comparison --------------------------------------------------------------------------------------------------


@RELAXED
@given_lives
def test_intervals_and_visits_are_what_happened(database, given_lives, first, shuffled):
    database.execute("delete from raw.hubspot__deals; delete from raw.hubspot__deals_history")
    told = {}
    for number, life in enumerate(given_lives):
        told[f"hubspot:deal:{number}"] = states_of(first, events_of(life))
        land(database, str(number), first, events_of(life), shuffled)
    database.execute("set timezone = 'UTC'")
    query = """select deal_key, valid_from, valid_to, life_state, stage_id, amount
               from marts.pipeline.deal_versions order by all"""
    rows = database.execute(query).fetchall()
    for key, states in told.items():
        assert [row[1:] for row in rows if row[0] == key] == versions_of(states)
    query = """select deal_key, stage_id, entered_at, exited_at, entry_kind, exit_kind
               from marts.pipeline.deal_stage_visits order by deal_key, visit_number"""
    rows = database.execute(query).fetchall()
    for key, states in told.items():
        assert [row[1:] for row in rows if row[0] == key] == visits_of(states)
