"""Values that people and old integrations leave behind: kept in raw, null where they have no value, and listed."""

from __future__ import annotations

import duckdb
import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]

EXPECTED = {  # field, value -> the problem that is listed, and what the deal looks like
    ("amount", "ninety thousand"): ("amount is no number", "amount is null"),
    ("amount", "-2500.00"): ("amount is negative", "amount = -2500"),
    ("closedate", "2206-03-01T10:00:00Z"): ("close date is absurd", "close_date = date '2206-03-01'"),
    ("closedate", "soon"): ("close date is no date", "close_date is null"),
    ("hubspot_owner_id", "99999999"): ("owner is in no owner list", "owner_key = 'hubspot:owner:99999999'"),
    ("dealstage", "stage_that_was_deleted"): ("stage is in no pipeline", "stage = 'unknown' and life_state = 'open'"),
    ("currency", "RSD"): (
        "amount in a currency without a rate: in no sum",
        "amount is not null and amount_base is null and currency = 'RSD'",
    ),
}


@pytest.fixture(scope="module")
def dirty(next_day):
    night, _, _, done, _ = next_day
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(str(night.published), read_only=True) as marts:
        marts.execute(f"attach '{night.data / 'warehouse.duckdb'}' as warehouse (read_only)")
        yield marts


@pytest.mark.parametrize("key", EXPECTED, ids=lambda key: key[1])
def test_a_value_without_sense_is_listed_and_its_deal_is_kept(dirty, key):
    problem, condition = EXPECTED[key]
    query = (
        "select record_id, problem from kpi.data_quality_issues where source = 'hubspot' and field = ? and value = ?"
    )
    rows = dirty.execute(query, list(key)).fetchall()
    assert [found for _, found in rows] == [problem]
    deal = f"select count(*) from pipeline.deals where deal_id = ? and ({condition})"
    assert dirty.execute(deal, [rows[0][0]]).fetchone() == (1,)


def test_raw_keeps_the_value_as_it_came(dirty):
    query = """select count(*) from warehouse.raw.hubspot__deals
               where json_extract_string(payload, '$.properties.amount') = 'ninety thousand'"""
    assert dirty.execute(query).fetchone() == (1,)


def test_a_foreign_deal_is_out_of_value_and_counted_as_missing(dirty):
    query = """select sum(amount_base), count(*) filter (where amount_base is null), count(*)
               from pipeline.deals where life_state = 'open' and not is_excluded"""
    value, missing, count = dirty.execute(query).fetchone()
    newest = """select open_value, missing_amount_count, open_count from kpi.pipeline_open
                where dimension = 'company' order by snapshot_date desc limit 1"""
    assert dirty.execute(newest).fetchone() == (value, missing, count)
    assert missing >= 2


def test_the_unknown_seller_is_a_member_of_the_seller_dimension(dirty):
    query = """select member, open_count from kpi.pipeline_open
               where dimension = 'owner' and member_key = 'hubspot:owner:99999999'
               order by snapshot_date desc limit 1"""
    assert dirty.execute(query).fetchone() == ("unknown owner 99999999", 1)
