"""A CRM export that nobody here made, through the drop folder, the landing and the dbt build.

Every known answer is computed here from the CSV files with the standard library, never typed in.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import mean, median

import duckdb
import pytest

from ingestion import landing
from ingestion.spreadsheets import sync_spreadsheets
from tests.conftest import run_dbt

ROOT = Path(__file__).parents[2]
EXPORT = ROOT.parent / "shared" / "data" / "crm-sales-opportunities"
NIGHT = datetime(2030, 1, 2, 3, 15, tzinfo=UTC)  # later than any copy of the files was saved
FILES = {
    "deals": "sales_pipeline.csv",
    "companies": "accounts.csv",
    "products": "products.csv",
    "owners": "sales_teams.csv",
}

pytestmark = pytest.mark.skipif(not EXPORT.is_dir(), reason="the real export is not here: ../shared/data is absent")


def table(name: str) -> list[dict[str, str]]:
    with (EXPORT / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def day(text: str) -> date | None:
    return datetime.strptime(text, "%m/%d/%Y").date() if text else None  # noqa: DTZ007


@pytest.fixture(scope="module")
def deals() -> list[dict[str, str]]:
    return table("sales_pipeline.csv")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Two nights over the export into one warehouse: their results and the data directory."""
    data = tmp_path_factory.mktemp("real_export")

    @contextmanager
    def warehouse():
        with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
            landing.prepare(connection)
            yield connection

    mappings = sorted((ROOT / "mappings").glob("*.toml"))
    runs = [{r.object: r for r in sync_spreadsheets(warehouse, EXPORT, mappings, f"run{n}", NIGHT)} for n in (1, 2)]
    return data, runs


VARIABLES = {
    "as_of": "2030-01-02T03:15:00Z",
    "now": "2030-01-02T03:15:00Z",
    "company_currency": "USD",
    "company_country": "US",
}


@contextmanager
def opened(data: Path):
    with duckdb.connect(str(data / "marts.duckdb"), read_only=True) as connection:
        connection.execute(f"attach '{data / 'warehouse.duckdb'}' as warehouse (read_only)")
        yield connection


@pytest.fixture(scope="module")
def built(night):
    """The whole dbt project on the landed export, as the night runs it."""
    if not (ROOT / "dbt" / "models" / "kpi" / "win_rate.sql").is_file():
        pytest.skip("the models of the kpi layer are not there yet")
    run_dbt(night[0], "build", "--resource-type", "seed", "--resource-type", "model", variables=VARIABLES)
    with opened(night[0]) as connection:
        yield connection


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_read_and_the_counts_balance(night, name):
    _, (first, second) = night
    rows = table(FILES[name])
    assert first[name].state == "ok", first[name].reason
    assert first[name].rows_read == len(rows)
    assert (
        first[name].rows_read == first[name].rows_appended + first[name].rows_unchanged + first[name].rows_quarantined
    )
    assert (second[name].rows_read, second[name].rows_appended) == (len(rows), 0)


def test_nothing_is_quarantined_and_no_file_is_left_over(night):
    _, (first, _) = night
    assert {result.rows_quarantined for result in first.values()} == {0}
    assert "files" not in first


def test_outcomes_amounts_and_dates_in_staging_equal_the_file(built, deals):
    found = built.execute(
        """select deal_id, life_state, amount, created_date, close_date, product, company
           from warehouse.staging.stg_spreadsheets__deals where not is_deleted"""
    ).fetchall()
    states = {"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}

    expected = {
        (
            *(row["opportunity_id"], states[row["deal_stage"]]),
            Decimal(row["close_value"]) if row["close_value"] else None,
            *(day(row["engage_date"]), day(row["close_date"])),
            *(row["product"].replace("GTXPro", "GTX Pro"), row["account"] or None),
        )
        for row in deals
    }
    assert len(found) == len(deals)
    assert set(found) == expected


def test_the_known_dirt_is_reported(built, deals):
    rows = built.execute(
        "select object, field, problem, value from warehouse.staging.stg_spreadsheets__problems"
    ).fetchall()
    counts = Counter((name, field) for name, field, _, _ in rows)
    openings = [row for row in deals if row["deal_stage"] in ("Engaging", "Prospecting")]
    assert counts["deals", "company"] == sum(not row["account"] for row in deals)
    assert counts["deals", "created_date"] == sum(not row["engage_date"] for row in deals)
    assert counts["deals", "close_date"] == sum(not row["close_date"] for row in openings)
    assert counts["deals", "amount"] == sum(not row["close_value"] for row in openings)
    assert counts["deals", "product"] == sum(row["product"] == "GTXPro" for row in deals)
    assert counts["companies", "industry"] == sum(row["sector"] == "technolgy" for row in table("accounts.csv"))
    idle = {row["sales_agent"] for row in table("sales_teams.csv")} - {row["sales_agent"] for row in deals}
    assert {value for name, _, problem, value in rows if problem == "seller without a deal"} == idle


def test_win_rate_of_the_company(built, deals):
    won, lost = (sum(row["deal_stage"] == stage for row in deals) for stage in ("Won", "Lost"))
    found = built.execute(
        "select won_count, lost_count, win_rate from kpi.win_rate where period_grain = 'all' and dimension = 'company'"
    ).fetchone()
    assert found[:2] == (won, lost)
    assert abs(Fraction(found[2]) - Fraction(won, won + lost)) < Fraction(1, 10**9)


def test_wins_losses_and_value_of_every_seller(built, deals):
    expected: dict[str, list] = defaultdict(lambda: [0, 0, Decimal(0)])
    for row in deals:
        if row["deal_stage"] in ("Won", "Lost"):
            expected[row["sales_agent"]][row["deal_stage"] == "Lost"] += 1
        if row["deal_stage"] == "Won":
            expected[row["sales_agent"]][2] += Decimal(row["close_value"])
    found = built.execute(
        """select member, won_count, lost_count, won_value
           from kpi.win_rate where period_grain = 'all' and dimension = 'owner'"""
    ).fetchall()
    assert {row[0]: list(row[1:]) for row in found} == expected


def test_open_deals_are_kept_and_their_dirt_is_in_the_published_list(built, deals):
    openings = sum(row["deal_stage"] in ("Engaging", "Prospecting") for row in deals)
    assert built.execute("select count(*) from pipeline.deals where life_state = 'open'").fetchone() == (openings,)
    assert built.execute("select count(*) from pipeline.deals").fetchone() == (len(deals),)
    listed = built.execute(
        "select count(*) from kpi.data_quality_issues where source = 'spreadsheets' and field = 'product'"
    ).fetchone()
    assert listed == (sum(row["product"] == "GTXPro" for row in deals),)


def test_cycle_and_value_of_won_deals(built, deals):
    won = [row for row in deals if row["deal_stage"] == "Won"]
    days = [(day(row["close_date"]) - day(row["engage_date"])).days for row in won]
    found = built.execute(
        """select won_count, won_days_mean, won_days_median
           from kpi.sales_cycle where period_grain = 'all' and dimension = 'company'"""
    ).fetchone()
    assert found == (len(won), pytest.approx(mean(days)), median(days))
    values = [Decimal(row["close_value"]) for row in won]
    found = built.execute(
        """select won_count, won_value_mean, won_value_median
           from kpi.contract_value where period_grain = 'all' and dimension = 'company'"""
    ).fetchone()
    assert found == (len(won), round(mean(values), 2), median(values))


def test_the_open_pipeline_of_the_day(built, deals):
    openings = [row for row in deals if row["deal_stage"] in ("Engaging", "Prospecting")]
    found = built.execute(
        """select open_count, open_value, missing_amount_count from kpi.pipeline_open where dimension = 'company'
           qualify snapshot_date = max(snapshot_date) over ()"""
    ).fetchone()
    values = [Decimal(row["close_value"]) for row in openings if row["close_value"]]
    assert found == (len(openings), sum(values), len(openings) - len(values))


def test_every_period_and_member_sums_to_the_company(built):
    sums = built.execute(
        """select distinct sum(won_count), sum(lost_count), sum(won_value) from kpi.win_rate
           where period_grain = 'all' group by dimension"""
    ).fetchall()
    assert len(sums) == 1
    periods = built.execute(
        """select distinct sum(won_count), sum(lost_count), sum(won_value) from kpi.win_rate
           where dimension = 'company' group by period_grain"""
    ).fetchall()
    assert periods == sums


def test_what_is_published_as_dirt_is_what_the_files_hold(built):
    listed = built.execute(
        """select object, record_id, field, value, problem from kpi.data_quality_issues where source = 'spreadsheets'"""
    ).fetchall()
    found = built.execute(
        "select object, record_id, field, value, problem from warehouse.staging.stg_spreadsheets__problems"
    ).fetchall()
    assert len(found) > 1_000
    assert set(found) <= set(listed)
