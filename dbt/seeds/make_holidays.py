"""Write public_holidays.csv: public holidays of the countries we sell in, from the `holidays` library.

Category public, plus Sweden's de facto eves; nationwide only. XECB: closing days of the euro's payment system. Run by
hand when a country or a year is added:
`python dbt/seeds/make_holidays.py`. The night reads the file, never the library.
"""

from __future__ import annotations

import csv
from pathlib import Path

import holidays

YEARS = range(2015, 2036)
COUNTRIES = ("SE", "FI", "NO", "DK", "DE", "GB", "US")
BANK = "XECB"
TARGET = Path(__file__).with_name("public_holidays.csv")


def rows() -> list[tuple[str, str, str, str]]:
    found = []
    for country in COUNTRIES:
        public = holidays.country_holidays(country, years=YEARS, categories=("public",))
        named = [(day, name) for day, name in public.items() if not _is_sunday(country, name)]
        found += [(country, day.isoformat(), name, "public") for day, name in named]
        if country == "SE":
            eves = holidays.country_holidays(country, years=YEARS, categories=("de_facto",))
            found += [(country, day.isoformat(), name, "de_facto") for day, name in eves.items() if day not in public]
    closed = holidays.financial_holidays(BANK, years=YEARS)
    found += [(BANK, day.isoformat(), name, "bank") for day, name in closed.items()]
    return sorted(found)


def _is_sunday(country: str, name: str) -> bool:
    """Sweden lists every Sunday as a holiday; weekends are the calendar's own business."""
    return country == "SE" and name in ("Söndag", "Sunday")


if __name__ == "__main__":
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("country", "date", "holiday", "holiday_source"))
        writer.writerows(rows())
