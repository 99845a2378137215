"""Organisation numbers: what is one, in which country, and what must never leave the house."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.legal_ids import country_of, organisation_number, same_name
from sandbox import registers

CODES = {"Norway": "NO", "Finland": "FI", "Denmark": "DK", "Sweden": "SE"}


@pytest.mark.parametrize(
    ("text", "country", "digits"),
    [
        ("923 609 016", "NO", "923609016"),
        ("NO 923.609.016 MVA", "NO", "923609016"),
        ("923609017", "NO", None),
        ("92360901", "NO", None),
        ("0112038-9", "FI", "01120389"),
        ("112038-9", "FI", "01120389"),
        ("FI01120389", "FI", "01120389"),
        ("0112038-8", "FI", None),
        ("13585628", "DK", "13585628"),
        ("DK13585628", "DK", "13585628"),
        ("01120389", "DK", None),
        ("556016-0680", "SE", "5560160680"),
        ("SE556016068001", "SE", "5560160680"),
        ("165560160680", "SE", "5560160680"),
        ("556016-0681", "SE", None),
        ("", "NO", None),
        (None, "NO", None),
        ("923609016", "DE", None),
    ],
)
def test_a_number_is_read_as_its_country_writes_it(text, country, digits):
    assert organisation_number(text, country) == digits


@pytest.mark.parametrize("text", ["811228-9874", "198112289874", "SE811228987401", "670919-9530"])
def test_a_swedish_number_that_may_be_a_persons_is_none(text):
    assert organisation_number(text, "SE") is None


@given(st.sampled_from(sorted(CODES)), st.integers(0, 90_000), st.integers(0, 9), st.integers(1, 9))
def test_what_a_country_issues_is_valid_and_one_wrong_digit_is_not(country, number, place, by):
    """Luhn and modulus 11 both find every single wrong digit; the sandbox's generator is not the reader's checker."""
    digits = registers.legal_id(country, number)
    code = CODES[country]
    assert organisation_number(digits, code) == digits
    place %= len(digits)
    wrong = digits[:place] + str((int(digits[place]) + by) % 10) + digits[place + 1 :]
    assert organisation_number(wrong, code) is None


@given(st.text("0123456789 -.FINOSEMVA", max_size=16), st.sampled_from(["NO", "FI", "SE", "DK"]))
def test_any_text_is_a_number_of_the_countrys_length_or_none(text, country):
    found = organisation_number(text, country)
    assert found is None or (len(found) == {"NO": 9, "FI": 8, "DK": 8, "SE": 10}[country] and found.isdigit())


@pytest.mark.parametrize(
    ("country", "number", "domain", "code"),
    [
        ("Norge", None, "a.fi", "NO"),
        ("suomi", None, None, "FI"),
        ("Germany", "NO923609016MVA", "a.no", None),
        (None, "NO923609016MVA", "a.fi", "NO"),
        ("", "923609016MVA", None, "NO"),
        (None, "923609016", "alfa.no", "NO"),
        (None, "923609016", "alfa.com", None),
        (None, None, None, None),
    ],
)
def test_the_country_is_what_the_crm_says_else_what_the_number_or_the_domain_shows(country, number, domain, code):
    assert country_of(country, number, domain) == code


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        ("Fjellkraft Bergen AS", "FJELLKRAFT BERGEN AS", True),
        ("Södermetal Oy", "sodermetal, oyj", True),
        ("Møller A/S", "Moller", True),
        ("Fjellkraft Bergen", "Fjellkraft Oslo", False),
        ("AS", "Oy", False),
    ],
)
def test_names_are_the_same_but_for_case_accents_and_legal_form(left, right, is_same):
    assert (same_name(left) == same_name(right)) is is_same
