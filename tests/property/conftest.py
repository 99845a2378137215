"""The models that property tests run: compiled once as of AS_OF, fed with rows in an in-memory DuckDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.conftest import compiled_sql

MODELS = (
    "win_rate",
    "sales_cycle",
    "sales_cycle_cohort",
    "win_curve",
    "pipeline_open",
    "stage_weights",
    "retention",
    "churn_curve",
)
ZONE = ZoneInfo("Europe/Stockholm")
AS_OF = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)
TODAY = AS_OF.astimezone(ZONE).date()
INPUTS = {
    "deals": """deal_key varchar, source varchar, pipeline varchar, life_state varchar, amount_base decimal(18, 2),
        acv decimal(18, 2), order_type varchar, owner_key varchar, team varchar, sao_owner_key varchar,
        sao_team varchar, company_key varchar, lead_source varchar, product varchar, sao_at timestamptz, sao_date date,
        closed_at timestamptz, closed_date date, booking_date date, lost_from_stage varchar, loss_reason_group varchar,
        is_backdated boolean, is_excluded boolean, segment varchar, industry varchar, country varchar,
        deal_size_band varchar, created_amount_base decimal(18, 2), is_created_provisional boolean,
        furthest_stage_rank bigint, closed_amount_base decimal(18, 2), closed_amount_plan decimal(18, 2),
        employees_band varchar, margin_share double, created_date date, created_at timestamptz,
        first_observed_at timestamptz""",
    "deal_versions": """deal_key varchar, valid_from timestamptz, valid_to timestamptz, life_state varchar,
        pipeline varchar, pipeline_id varchar, stage varchar, stage_rank bigint, amount decimal(18, 2),
        currency varchar, close_date date, owner_key varchar, team varchar, first_date date, end_date date""",
    "exchange_rates": "currency varchar, date date, rate_to_base decimal(18, 8)",
    "owners": "owner_key varchar, name varchar, email varchar, team varchar, left_date date",
    "targets": """owner_key varchar, team varchar, month date, valid_from date, valid_to date,
        target_base decimal(18, 2)""",
    "bookings_ledger": """booked_on date, recorded_on date, amount_base decimal(18, 2), owner_key varchar,
        team varchar, order_type varchar""",
    "kpi.stage_weights": """horizon_start date, weeks_left bigint, level varchar, pipeline varchar, stage varchar,
        segment varchar, weight double""",
    "contracts": """contract_key varchar, customer_key varchar, deal_key varchar, company_key varchar, start_date date,
        end_date date, arr_base decimal(18, 2), acquiring_owner_key varchar, acquiring_team varchar,
        segment_at_win varchar, industry_at_win varchar, employees_band_at_win varchar, country_at_win varchar,
        source_at_win varchar, discount_band varchar""",
    "deal_stage_visits": "deal_key varchar, is_skip boolean",
    "calendar": "country varchar, date date, month_start date",
    "stages": "source varchar, pipeline_id varchar, pipeline varchar, present_pipeline varchar, is_sales boolean",
}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Compiled SQL by model name, as of AS_OF."""
    variables = {"as_of": AS_OF.isoformat(), "company_timezone": ZONE.key, "calendar_start": "2024-01-01"}
    return compiled_sql(tmp_path_factory.mktemp("dbt_compile"), "--select", *MODELS, variables=variables)


@pytest.fixture(scope="session")
def run(compiled):
    """Runs a model on rows given as {input: [{column: value}]}; its rows come back as dicts."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; attach ':memory:' as marts; attach ':memory:' as warehouse")
    connection.execute("create schema marts.pipeline; create schema marts.kpi; create schema warehouse.crm")
    teams = "source varchar, owner_id varchar, team varchar, valid_from timestamptz, valid_to timestamptz"
    connection.execute(f"create table warehouse.crm.int_crm__owner_teams ({teams})")
    connection.execute("create table warehouse.crm.int_crm__owners (source varchar, owner_id varchar, email varchar)")
    for name, columns in INPUTS.items():
        connection.execute(f"create table {table_of(name)} ({columns})")

    def rows_of(model: str, inputs: dict[str, list[dict]], only: str = "true") -> list[dict]:
        for name in INPUTS:
            connection.execute(f"delete from {table_of(name)}")
            rows = inputs.get(name, [])
            if rows:
                connection.execute("create or replace temp table given (line varchar)")
                connection.executemany("insert into given values (?)", [[json.dumps(row, default=str)] for row in rows])
                fields = {field: kind for field, kind in _types(INPUTS[name]).items() if field in rows[0]}
                chosen = ", ".join(f"cast(line ->> '$.{field}' as {kind})" for field, kind in fields.items())
                connection.execute(f"insert into {table_of(name)} ({', '.join(fields)}) select {chosen} from given")
        found = connection.execute(f"select * from ({compiled[model]}) where {only}")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    yield rows_of
    connection.close()


def table_of(name: str) -> str:
    """Where an input lies: in pipeline unless its name says otherwise."""
    return f"marts.{name}" if "." in name else f"marts.pipeline.{name}"


def _types(columns: str) -> dict[str, str]:
    """`a varchar, b decimal(18, 2)` as {a: varchar, b: decimal(18, 2)}."""
    parts = columns.replace("(18, 2)", "(18;2)").split(",")
    return {part.split()[0]: " ".join(part.split()[1:]).replace(";", ", ") for part in parts}
