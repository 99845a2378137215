"""Organisation numbers of Sweden, Norway, Finland and Denmark: which text is one, and of which country.

A valid check digit proves form, not existence. Knows no register and no source.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

COUNTRIES = {
    "NO": {"no", "nor", "norway", "norge", "noreg", "norja"},
    "FI": {"fi", "fin", "finland", "suomi"},
    "SE": {"se", "swe", "sweden", "sverige", "ruotsi"},
    "DK": {"dk", "dnk", "denmark", "danmark", "tanska"},
}
DIGITS = {"NO": 9, "FI": 8, "DK": 8, "SE": 10}
WEIGHTS = {"NO": (3, 2, 7, 6, 5, 4, 3, 2), "FI": (7, 9, 10, 5, 8, 4, 2), "DK": (2, 7, 6, 5, 4, 3, 2)}
LEGAL_FORMS = {*"ab abp as asa aps oy oyj ltd limited inc gmbh ans da sa ky enk ik i kommandiittiyhtio".split()}


def organisation_number(text: str | None, country: str) -> str | None:
    """The digits of a company's number in `country` (ISO code), or None where they cannot be one.

    A Swedish number that could be a person's (third digit 0 or 1) is None as well.
    """
    plain = re.sub(r"[\s.\-/]", "", (text or "").upper())
    plain = plain.removeprefix(country)
    if country == "NO":
        plain = plain.removesuffix("MVA")
    if country == "SE" and len(plain) == 12:
        plain = plain[2:] if plain.startswith("16") else plain.removesuffix("01")
    if country == "FI" and len(plain) == 7:
        plain = f"0{plain}"
    if not re.fullmatch(f"[0-9]{{{DIGITS.get(country, 99)}}}", plain):
        return None
    if country == "SE":
        return plain if plain[2] >= "2" and _luhn(plain) else None
    if country == "DK" and plain[0] == "0":
        return None
    rest = sum(int(digit) * weight for digit, weight in zip(plain, WEIGHTS[country], strict=False)) % 11
    return plain if rest != 1 and int(plain[-1]) == (11 - rest) % 11 else None


def country_of(country: str | None, number: str | None, domain: str | None) -> str | None:
    """ISO code of one of the four countries: as the CRM says, else as the number or the domain begins or ends."""
    said = fold(country)
    if said:
        return next((code for code, spellings in COUNTRIES.items() if said in spellings), None)
    plain = re.sub(r"[\s.\-/]", "", (number or "").upper())
    for code in COUNTRIES:
        if plain.startswith(code):
            return code
    if plain.endswith("MVA"):
        return "NO"
    host = re.sub(r"^[a-z]+://|[/?#:].*$", "", (domain or "").strip().lower())
    ending = host.rpartition(".")[2].upper()
    return ending if ending in COUNTRIES else None


def same_name(name: str | None) -> str:
    """What two spellings of one company name have in common: no case, accents, punctuation or legal form."""
    words = re.findall(r"[a-z0-9]+", fold((name or "").replace("/", "")))
    return " ".join([word for word in words if word not in LEGAL_FORMS] or words)


def fold(text: str | None) -> str:
    """Lower case without accents."""
    plain = (text or "").strip().casefold().replace("ø", "o").replace("æ", "ae").replace("ß", "ss")
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))


def _luhn(digits: Iterable[str]) -> bool:
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0
