"""A few tries of each rig of `make torture` that reads from vendors, files and settings."""

from __future__ import annotations

import pytest

from tests.torture.rigs import answers, settings, sheets, vendors


@pytest.mark.parametrize("vendor", vendors.VENDORS)
def test_two_nights_with_a_fault_in_every_tenth_call_end_as_the_vendor_is(vendor: str) -> None:
    outcome = vendors.cell(vendor, "", (10.0,), seed=1, nights=2)
    assert outcome.lost == ""
    assert outcome.hits > 2 and outcome.requests > 20


@pytest.mark.parametrize(("vendor", "kind"), [("hubspot", "wrong types in records"), ("pipedrive", "a lone surrogate")])
def test_a_bad_answer_harms_its_own_object_for_its_own_night(vendor: str, kind: str) -> None:
    assert answers.answered(vendor, kind, seed=1) == ""


def test_mutated_sheets_harm_no_good_one() -> None:
    assert sheets.dropped(sheets.mutated_files(seed=1, count=8)) == ""


def test_mutated_settings_are_refused_in_words() -> None:
    assert settings.fuzzed_settings(60) == settings.fuzzed_mappings(60) == ""
