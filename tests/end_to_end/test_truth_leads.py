"""Every lead of the practice nights against the company's own truth, which keeps a calendar of its own."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from statistics import median

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def test_every_lead_has_its_state_its_instants_and_its_minutes(lived):
    marts, truth = lived.marts, lived.truth
    columns = "lead_id, response_state, created_at, routed_at, first_response_at, response_business_minutes"
    found = {row[0]: row[1:] for row in marts.execute(f"select {columns} from pipeline.leads").fetchall()}
    assert len(found) > 100
    assert set(found) == set(truth["leads"])
    for lead_id, lead in truth["leads"].items():
        state, *instants, minutes = found[lead_id]
        assert state == lead["state"], lead_id
        assert instants == [instant(lead[name]) for name in ("created_at", "routed_at", "first_response_at")], lead_id
        assert (minutes is None) == (lead["business_minutes"] is None), lead_id
        assert minutes is None or minutes == pytest.approx(lead["business_minutes"], abs=0.002), lead_id


def test_lead_response_of_the_company(lived):
    marts, truth = lived.marts, lived.truth
    row = marts.execute(
        """select lead_count, met_count, breached_count, not_due_count, already_in_contact_count, within_sla_rate,
            answered_median_business_minutes
        from kpi.lead_response where period_grain = 'all' and dimension = 'company'"""
    ).fetchone()
    leads = truth["leads"].values()
    states = Counter(lead["state"] for lead in leads)
    assert row[:5] == (len(leads), states["met"], states["breached"], states["not_due"], states["already_in_contact"])
    assert row[5] == pytest.approx(states["met"] / (states["met"] + states["breached"]))
    minutes = [lead["business_minutes"] for lead in leads if lead["business_minutes"] is not None]
    assert row[6] == pytest.approx(median(minutes), abs=0.002)
