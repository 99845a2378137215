"""The spreadsheets that the practice company keeps beside its CRM, written into a drop folder as its people write them.

The contract sheet is a Swedish CSV export (semicolons, decimal commas, Windows-1252), the targets a workbook with a
title, real dates and a total. Both have what such sheets have: a line that no reader can use.
"""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import xlsxwriter

from sandbox.contracts import Contract
from sandbox.world import World

CONTRACTS, TARGETS = "avtal.csv", "budget.xlsx"
CONTRACT_COLUMNS = ("Avtalsnummer", "Kund", "Affär", "Startdatum", "Slutdatum", "Årsvärde", "Valuta")
TARGET_COLUMNS = ("Säljare", "Lag", "Månad", "Budget", "Valuta", "Gäller från")
UNUSABLE_CONTRACTS = (
    ("AV-0998", "Kund under förhandling", "", "2025-03-01", "2026-02-28", "enligt offert", "SEK"),
    ("AV-0999", "Kund med skrivfel", "", "2025-13-01", "", "120 000,00", "SEK"),
)
TOTAL = "Summa"  # the workbook's last line has no month


def write(world: World, folder: Path) -> None:
    """Both sheets, as of the company's now. A file whose content stays the same is not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in ((CONTRACTS, contracts_csv(world)), (TARGETS, targets_workbook(world))):
        path = folder / name
        if path.exists() and path.read_bytes() == body:
            continue
        partial = folder / f".{name}.partial"
        partial.write_bytes(body)
        os.utime(partial, (world.now / 1000, world.now / 1000))
        partial.replace(path)


def contracts_csv(world: World) -> bytes:
    """One line per contract, oldest number first."""
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";", lineterminator="\r\n")
    lines.writerow(CONTRACT_COLUMNS)
    lines.writerows(UNUSABLE_CONTRACTS)
    lines.writerows(_contract_line(world, line) for line in world.contracts.values())
    return text.getvalue().encode("cp1252")


def _contract_line(world: World, line: Contract) -> tuple[str, ...]:
    end = line.end.isoformat() if line.end else ""
    name = world.store.records["companies"][line.company_id].properties["name"] or ""
    return (line.id, name, line.deal_id or "", line.start.isoformat(), end, _swedish(line.yearly), line.currency)


def _swedish(amount: Decimal) -> str:
    """1 234 567,50 with the space that does not break."""
    return f"{amount:,.2f}".replace(",", "\xa0").replace(".", ",")


def targets_workbook(world: World) -> bytes:
    """One line per seller or team, month and version; the same bytes for the same targets."""
    body = io.BytesIO()
    names = {owner.id: f"{owner.first_name} {owner.last_name}" for owner in world.owners}
    with xlsxwriter.Workbook(body, {"in_memory": True}) as book:
        book.set_properties({"created": datetime(2024, 1, 2, tzinfo=UTC)})  # not the clock's: the same bytes each time
        sheet = book.add_worksheet("Budget")
        month, day = book.add_format({"num_format": "mmm yyyy"}), book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write(0, 0, "Säljbudget per månad, SEK")
        sheet.write_row(2, 0, TARGET_COLUMNS)
        for row, line in enumerate(world.targets, start=3):
            sheet.write(row, 0, names[line.owner_id] if line.owner_id else None)
            sheet.write(row, 1, line.team)
            sheet.write_datetime(row, 2, line.month, month)
            sheet.write_number(row, 3, line.amount)
            sheet.write(row, 4, "SEK")
            if line.valid_from is not None:
                sheet.write_datetime(row, 5, line.valid_from, day)
        sheet.write(len(world.targets) + 3, 0, TOTAL)
        sheet.write_number(len(world.targets) + 3, 3, sum(line.amount for line in world.targets))
    return body.getvalue()
