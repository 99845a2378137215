"""What a person reads at the end: nothing cut, one cause said once."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ingestion.landing import ObjectResult
from salesops import summary
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory
from salesops.night import Night, Outcome

NOW = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)


@pytest.fixture
def night(tmp_path) -> Night:
    data = DataDirectory(tmp_path)
    return Night(Settings(), data, Clock(), NOW, NOW, None, data.published, "", "")


def shown(night: Night, outcome: Outcome, width: int = 60) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    summary.show(console, night, outcome, None)
    return console.file.getvalue()


def test_a_narrow_window_cuts_no_number_and_no_word(night):
    night.objects = [ObjectResult("hubspot", "lead_pipelines", "not_permitted", "x" * 90, rows_read=1_234_567)]
    text = shown(night, Outcome(False, ["a reason " * 20], 1))
    assert "1,234,567" in text and "quarantined" in text and "lead_pipelines" in text and "x" * 90 in text
    assert "…" not in text


def test_one_cause_for_many_objects_is_said_once(night):
    reason = "the vendor is down (503)"
    night.objects = [ObjectResult("hubspot", name, "failed", reason) for name in ("deals", "contacts", "calls")]
    for name in ("deals", "contacts", "calls"):
        night.note(f"raw/hubspot__{name}", "was_read", "failed", reason, is_blocking=False)
        night.note("meta/data_status", f"{name}_is_fresh", "warned", f"failed tonight: {reason}", is_blocking=True)
    text = shown(night, Outcome(False, [], 1))
    assert text.count(reason) == 1 and "deals, contacts, calls failed" in text
    assert "3 warned, 3 failed" in text


def test_a_source_that_was_not_asked_says_why(night):
    reason = "not asked: no amount is in another currency than SEK"
    night.objects = [ObjectResult("exchange_rates", "reference_rates", "skipped", reason)]
    assert f"Exchange rates: {reason}" in shown(night, Outcome(False, [], 1))


def test_what_a_source_was_asked_is_one_line_with_the_id_scan_apart(night):
    """An unchanged night is a handful of requests; the scan of ids would hide it."""
    night.objects = [
        ObjectResult("pipedrive", "deals", "ok", requests=41, scan_requests=23, rows_read=1_200),
        ObjectResult("pipedrive", "users", "ok", requests=1, rows_read=9),
        ObjectResult("spreadsheets", "plans", "ok", rows_read=5),
    ]
    night.source_seconds["pipedrive"] = 12.34
    text = shown(night, Outcome(False, [], 1))
    assert "Pipedrive: 42 requests, 23 of them the id scan, 1,209 records, 12.3 s" in text
    assert "Spreadsheets: 5 records\n" in text


def test_a_failed_check_shows_its_worst_rows_and_says_that_there_are_more(night):
    rows = [f"row {number}" for number in range(9)]
    night.note("pipeline/contacts", "is_good", "failed", "9 bad rows", is_blocking=True, worst=rows)
    text = shown(night, Outcome(False, ["pipeline/contacts is_good: 9 bad rows"], 1))
    assert "row 4" in text and "row 5" not in text and "and more" in text
    assert "Not published." in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "money", "none"),
        (0.3591, "share", "35.9 %"),
        (1234567.8, "money", "1,234,568 SEK"),
        (1234, "count", "1,234"),
        (42.91, "minutes", "42.9 business minutes"),
        (89, "days", "89.0 days"),
    ],
)
def test_numbers_are_written_for_people(value, unit, text):
    assert summary._shown(value, unit, "SEK") == text
