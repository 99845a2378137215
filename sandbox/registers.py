"""The company registers of the practice world: legal ids with valid check digits, and what Norway and Finland publish.

A company is in the register of its country, whether or not the CRM knows its number. What happens to it there follows
from its own number (some grow, some go bankrupt, some are struck off), so nothing here draws from the company's days.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

WEIGHTS = {"Norway": (3, 2, 7, 6, 5, 4, 3, 2), "Finland": (7, 9, 10, 5, 8, 4, 2), "Denmark": (2, 7, 6, 5, 4, 3, 2)}
STEMS = {"Norway": 91_000_000, "Finland": 2_000_000, "Denmark": 2_000_000}
# industry of the CRM -> code of the European classification (NACE), as Norway prints it, and its name there
NACE = {
    "COMPUTER_SOFTWARE": ("62.100", "Programmeringstjenester"),
    "LOGISTICS_AND_SUPPLY_CHAIN": ("52.290", "Annen transportformidling"),
    "MACHINERY": ("28.290", "Produksjon av maskiner"),
    "CONSTRUCTION": ("41.000", "Oppføring av bygninger"),
    "RENEWABLES_ENVIRONMENT": ("35.120", "Produksjon av elektrisitet fra fornybare kilder"),
    "FINANCIAL_SERVICES": ("64.190", "Bankvirksomhet ellers"),
    "HOSPITAL_HEALTH_CARE": ("86.101", "Alminnelige somatiske sykehus"),
    "RETAIL": ("47.110", "Butikkhandel med bredt vareutvalg"),
    "FOOD_PRODUCTION": ("10.890", "Produksjon av næringsmidler"),
    "MARITIME": ("50.202", "Sjøtransport med gods"),
    "PAPER_FOREST_PRODUCTS": ("17.120", "Produksjon av papir og papp"),
}
MUNICIPALITIES = {"Oslo": "0301", "Bergen": "4601", "Trondheim": "5001", "Stavanger": "1103"}
FI_MUNICIPALITIES = {"Helsinki": "091", "Tampere": "837", "Turku": "853", "Oulu": "564"}
HIDDEN_BELOW = 5  # Norway withholds fewer employees than this
STRANGERS_A_DAY, STRANGER_DAYS = 12, 45  # changes of companies that the CRM does not know
FIRST_UPDATE, EPOCH = 24_000_000, 1_600_000_000


def legal_id(country: str, number: int) -> str:
    """The organisation number of the n-th company of the world, in the digits that its country issues."""
    if country == "Sweden":
        stem = f"{556_000_000 + number:09d}"
        doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(stem))
        return f"{stem}{-sum(value // 10 + value % 10 for value in doubled) % 10}"
    for attempt in range(10):
        stem = str(STEMS[country] + number * 10 + attempt)
        rest = sum(int(digit) * weight for digit, weight in zip(stem, WEIGHTS[country], strict=True)) % 11
        if rest != 1:  # the number is never issued
            return f"{stem}{(11 - rest) % 11}"
    raise AssertionError("two neighbouring stems never both have the remainder 1")


@dataclass(frozen=True)
class Registered:
    """A company as its own country's register first had it."""

    number: int
    legal_id: str
    country: str
    name: str
    city: str
    domain: str
    employees: int
    industry: str
    since: date


@dataclass
class Update:
    """One line of Norway's change feed."""

    at: datetime
    legal_id: str
    kind: str
    changes: list[dict[str, Any]] = field(default_factory=list)


class Registers:
    """Both registers as they stand at `now`. `written` holds what tests had changed: number -> field -> value."""

    def __init__(self, companies: Iterable[Registered]) -> None:
        self.companies = {company.legal_id: company for company in companies}
        self.written: dict[str, dict[str, Any]] = {}
        self.struck_off: dict[str, date] = {}
        self.removed: set[str] = set()
        self.updates = sorted(self._planned(), key=lambda update: (update.at, update.legal_id))

    def add(self, companies: Iterable[Registered]) -> None:
        """Companies that were founded since."""
        self.companies |= {company.legal_id: company for company in companies}

    def write(self, number: str, at: datetime, **values: Any) -> None:
        """The register changes an entry."""
        self.written.setdefault(number, {}).update(values)
        changes = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in values.items()]
        self.updates.append(Update(at, number, "Endring", changes))

    def strike_off(self, number: str, at: datetime, *, is_removed: bool = False) -> None:
        """A company ceases; a few are taken out of the open data altogether."""
        self.struck_off[number] = at.date()
        self.removed |= {number} if is_removed else set()
        self.updates.append(Update(at, number, "Fjernet" if is_removed else "Sletting"))

    def _planned(self) -> Iterable[Update]:
        for company in self.companies.values():
            if company.country == "Norway" and (day := _growth_day(company)) is not None:
                yield Update(datetime.combine(day, time(4), UTC), company.legal_id, "Endring")

    def feed(self, now: datetime) -> list[tuple[int, Update]]:
        """Every line until now, oldest first, ids with holes."""
        strangers = [
            Update(
                datetime.combine(now.date() - timedelta(days=back), time(1, minute), UTC), _stranger(back, minute), "Ny"
            )
            for back in range(STRANGER_DAYS)
            for minute in range(STRANGERS_A_DAY)
        ]
        lines = sorted((u for u in self.updates + strangers if u.at <= now), key=lambda u: (u.at, u.legal_id))
        return [
            (FIRST_UPDATE + int(at.timestamp() - EPOCH) * 100 + place, update)
            for at, group in groupby(lines, key=lambda u: u.at)
            for place, update in enumerate(group)
        ]

    def norway(self, now: datetime) -> dict[str, dict[str, Any]]:
        """Number -> unit, stubs of what ceased included."""
        units = {n: self._norwegian(c, now) for n, c in self.companies.items() if c.country == "Norway"}
        return {number: unit for number, unit in units.items() if number not in self.removed}

    def finland(self, now: datetime) -> dict[str, dict[str, Any]]:
        """Business id -> company."""
        found = [self._finnish(c, now) for c in self.companies.values() if c.country == "Finland"]
        return {company["businessId"]["value"]: company for company in found}

    def _norwegian(self, company: Registered, now: datetime) -> dict[str, Any]:
        name, form = company.name.upper(), {"kode": "AS", "beskrivelse": "Aksjeselskap"}
        if (ceased := self.struck_off.get(company.legal_id)) is not None:
            return {
                "respons_klasse": "SlettetEnhet", "organisasjonsnummer": company.legal_id, "navn": name,
                "organisasjonsform": form, "slettedato": ceased.isoformat(),
            }  # fmt: skip
        code, label = NACE[company.industry]
        employees = _employees(company, now)
        is_bankrupt = company.number % 53 == 0
        unit: dict[str, Any] = {
            "organisasjonsnummer": company.legal_id,
            "navn": name,
            "organisasjonsform": form,
            "respons_klasse": "Enhet",
            "naeringskode1": {"kode": code, "beskrivelse": label},
            "harRegistrertAntallAnsatte": employees > 0,
            "hjemmeside": f"www.{company.domain}",
            "telefon": "22 00 00 00",
            "forretningsadresse": {
                "adresse": [f"Storgata {company.number % 90 + 1}"], "postnummer": "0155",
                "poststed": company.city.upper(), "kommune": company.city.upper(),
                "kommunenummer": MUNICIPALITIES.get(company.city, "0301"), "land": "Norge", "landkode": "NO",
            },
            "registreringsdatoEnhetsregisteret": company.since.isoformat(),
            "registrertIMvaregisteret": True,
            "konkurs": is_bankrupt,
            "underAvvikling": False,
            "underTvangsavviklingEllerTvangsopplosning": False,
            "erIKonsern": company.number % 4 == 0,
        }  # fmt: skip
        if employees >= HIDDEN_BELOW:
            unit["antallAnsatte"] = employees
        if is_bankrupt:
            unit["konkursdato"] = (company.since + timedelta(days=400)).isoformat()
        return unit | self.written.get(company.legal_id, {})

    def _finnish(self, company: Registered, now: datetime) -> dict[str, Any]:
        since, code = company.since.isoformat(), NACE[company.industry][0].replace(".", "")
        ceased = self.struck_off.get(company.legal_id)
        entry: dict[str, Any] = {
            "businessId": {"value": business_id(company.legal_id), "registrationDate": since, "source": "3"},
            "names": [
                {"name": company.name, "type": "1", "registrationDate": since, "endDate": None, "version": 1,
                 "source": "1"},
                {"name": f"{company.name} Trading", "type": "3", "registrationDate": since, "endDate": None,
                 "version": 1, "source": "1"},
            ],
            "mainBusinessLine": {
                "type": code, "descriptions": [{"languageCode": "3", "description": company.industry.capitalize()}],
                "typeCodeSet": "TOIMI3", "registrationDate": since, "source": "2",
            },
            "website": {"url": f"www.{company.domain}", "registrationDate": since, "source": "0"},
            "companyForms": [
                {"type": "16", "descriptions": [{"languageCode": "3", "description": "Limited company"}],
                 "registrationDate": since, "endDate": None, "version": 1, "source": "1"},
            ],
            "companySituations": [],
            "registeredEntries": [
                {"type": "1", "descriptions": [], "registrationDate": since, "endDate": None, "register": "1",
                 "authority": "2"},
            ],
            "addresses": [
                {"type": 1, "street": "Mannerheimintie", "buildingNumber": str(company.number % 90 + 1),
                 "postCode": "00100", "source": "0",
                 "postOffices": [{"city": company.city.upper(), "languageCode": "1",
                                  "municipalityCode": FI_MUNICIPALITIES.get(company.city, "091")}]},
            ],
            "tradeRegisterStatus": "4" if ceased else "1",
            "status": "2",
            "registrationDate": since,
            "endDate": ceased.isoformat() if ceased else None,
            "lastModified": f"{(ceased or company.since).isoformat()} 10:15:00",
        }  # fmt: skip
        return entry | self.written.get(company.legal_id, {})


def business_id(digits: str) -> str:
    """02345678 -> 0234567-8"""
    return f"{digits[:-1]}-{digits[-1]}"


def words(name: str) -> list[str]:
    """The words of a name, for a likeness search."""
    return re.findall(r"\w+", name.casefold())


def _growth_day(company: Registered) -> date | None:
    return company.since + timedelta(days=60 + company.number * 37 % 600) if company.number % 5 == 0 else None


def _employees(company: Registered, now: datetime) -> int:
    day = _growth_day(company)
    return (
        company.employees * 3 // 2
        if day is not None and datetime.combine(day, time(4), UTC) <= now
        else company.employees
    )


def _stranger(back: int, minute: int) -> str:
    return legal_id("Norway", 400_000 + back * 100 + minute)
