"""The practice company's sheets: every contract and target is found, and so is what became of customers and targets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def member_of(key: str) -> str:
    return key.removeprefix("hubspot:owner:")


def test_both_sheets_are_read_whole_and_what_nobody_can_read_is_set_aside(lived):
    """The night ends well: a line that cannot be used is in quarantine, with its file and row, and stops nothing."""
    for name, sheet in lived.truth["sheets"].items():
        problems = lived.marts.execute(
            """select count(*) from kpi.data_quality_issues
               where source = 'spreadsheets' and object = ? and problem like 'refused%'""",
            [name],
        ).fetchone()
        assert problems == (sheet["refused"],), name
    assert lived.marts.execute("select count(*) from pipeline.contracts").fetchone() == (
        lived.truth["sheets"]["contracts"]["rows"],
    )
    assert lived.marts.execute("select count(*) from pipeline.targets").fetchone() == (
        lived.truth["sheets"]["targets"]["rows"],
    )


def test_every_contract_has_its_customer_its_dates_its_value_and_who_won_it(lived):
    rows = lived.marts.execute(
        """select contract_id, customer_key, start_date, end_date, arr, arr_base, currency, acquiring_owner_key
           from pipeline.contracts"""
    ).fetchall()
    found = {row[0]: row[1:] for row in rows}
    expected = {
        key: (
            f"hubspot:company:{line['company_id']}", day(line["start_date"]), day(line["end_date"]),
            Decimal(line["yearly"]), Decimal(line["yearly"]), line["currency"],
            line["owner_id"] and f"hubspot:owner:{line['owner_id']}",
        )
        for key, line in lived.truth["contracts"].items()
    }  # fmt: skip
    wrong = {key: (found.get(key), expected[key]) for key in expected if found.get(key) != expected[key]}
    assert len(expected) > 300 and set(found) == set(expected)
    assert not wrong, dict(list(wrong.items())[:3])


MOVEMENTS = ("opening_arr", "expansion", "contraction", "churn", "new_arr", "closing_arr", "late_arr")
CUSTOMERS = ("customer_count", "churned_count", "new_count")


def test_retention_of_every_month_is_what_became_of_the_customers(lived):
    rows = lived.marts.execute(
        f"""select month, dimension, member_key, grr, nrr, {", ".join(MOVEMENTS + CUSTOMERS)} from kpi.retention
            where dimension in ('company', 'owner', 'team', 'source')"""
    ).fetchall()
    found = {(row[0].isoformat(), row[1], member_of(row[2])): row[3:] for row in rows}
    truth = {(row["month"], row["dimension"], row["member"]): row for row in lived.truth["retention"]}
    assert len(truth) > 300 and set(found) == set(truth)
    for key, row in truth.items():
        assert found[key][:2] == pytest.approx((row["grr"], row["nrr"]), abs=1e-12), key
        assert found[key][2:] == (*(Decimal(row[name]) for name in MOVEMENTS), *(row[name] for name in CUSTOMERS)), key


def test_acquired_customers_are_where_they_were_after_twelve_months(lived):
    money = ("opening_arr", "closing_arr", "kept_arr")
    counts = ("customer_count", "matured_count", "churned_count")
    rows = lived.marts.execute(
        f"""select dimension, member_key, {", ".join(counts + money)} from kpi.acquisition_quality
            where dimension in ('company', 'owner', 'team', 'source')"""
    ).fetchall()
    found = {(row[0], member_of(row[1])): row[2:] for row in rows}
    assert found == {
        (row["dimension"], row["member"]): (*(row[name] for name in counts), *(Decimal(row[name]) for name in money))
        for row in lived.truth["acquisition_quality"]
    }


def test_attainment_is_what_was_won_of_the_targets_in_force(lived):
    rows = lived.marts.execute(
        """select period_grain, period_start, dimension, member_key, target, won_value, attainment_rate, pace_gap
           from kpi.attainment"""
    ).fetchall()
    found = {(row[0], row[1].isoformat(), row[2], member_of(row[3])): row[4:] for row in rows}
    truth = {
        (row["period_grain"], row["period_start"], row["dimension"], row["member"]): row
        for row in lived.truth["attainment"]
    }
    assert len(truth) > 200 and set(found) == set(truth)
    for key, row in truth.items():
        target = None if row["target"] is None else Decimal(row["target"])
        assert found[key][:2] == (target, Decimal(row["won_value"])), key
        assert found[key][2:] == pytest.approx((row["attainment_rate"], row["pace_gap"]), abs=1e-9), key
