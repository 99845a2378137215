"""Every lead of a practice night against the company's own truth, which counts business minutes by its own calendar."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
SALESOPS = str(Path(sys.executable).with_name("salesops"))

pytestmark = [pytest.mark.night, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """(published marts, truth) after one night."""
    data = tmp_path_factory.mktemp("leads_truth")
    environment = os.environ | {"SALESOPS_DATA": str(data), "PYTHONPATH": str(ROOT)}
    environment.pop("SALESOPS_CONFIG", None)
    truth = [sys.executable, "-m", "sandbox", "truth", "--state", str(data / "sandbox")]
    for command, folder in (([SALESOPS, "nightly"], data), (truth, ROOT)):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    with duckdb.connect(str(data / "published" / "marts.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection, json.loads((data / "sandbox" / "truth.json").read_text())


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def test_every_lead_has_its_state_its_instants_and_its_minutes(night):
    marts, truth = night
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


def test_lead_response_of_the_company(night):
    marts, truth = night
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
