"""The blank activity tracking sheet that sales ops hands out. Its headers are those of sales_activity_tracking.toml."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import xlsxwriter

Language = Literal["en", "sv"]
ROWS = 2000
_MADE_AT = datetime(2026, 1, 1)  # noqa: DTZ001 (constant, so that the same call gives the same bytes)

_COLUMNS: dict[Language, list[tuple[str, int, str]]] = {
    "en": [
        ("Date", 12, "Day of the activity. Required."),
        ("Seller", 20, "Your name, spelt as in the CRM. Required."),
        ("Company", 28, "The company's name."),
        ("Contact", 24, "Name or e-mail of the person."),
        ("Activity type", 14, "Choose from the list. Required."),
        ("Outcome", 28, "What came out of it: choose, or write your own."),
        ("Next step", 32, "What you do next."),
        ("Next-step date", 14, "By when."),
    ],
    "sv": [
        ("Datum", 12, "Dagen för aktiviteten. Obligatoriskt."),
        ("Säljare", 20, "Ditt namn, stavat som i CRM. Obligatoriskt."),
        ("Företag", 28, "Företagets namn."),
        ("Kontakt", 24, "Personens namn eller e-post."),
        ("Aktivitetstyp", 14, "Välj i listan. Obligatoriskt."),
        ("Utfall", 28, "Vad det ledde till: välj, eller skriv eget."),
        ("Nästa steg", 32, "Vad du gör härnäst."),
        ("Datum för nästa steg", 20, "Senast när."),
    ],
}
_TYPES: dict[Language, list[str]] = {
    "en": ["Call", "Email", "Meeting", "Note", "Task"],
    "sv": ["Samtal", "E-post", "Möte", "Anteckning", "Uppgift"],
}
_OUTCOMES: dict[Language, list[str]] = {
    "en": ["Reached", "No answer", "Meeting booked", "Interested", "Not interested", "Follow up"],
    "sv": ["Fick kontakt", "Inget svar", "Möte bokat", "Intresserad", "Inte intresserad", "Följ upp"],
}
_WORDS: dict[Language, tuple[str, str, str]] = {
    "en": ("Activities", "Not in the list", "Use a date, for example 2026-01-31."),
    "sv": ("Aktiviteter", "Finns inte i listan", "Ange ett datum, till exempel 2026-01-31."),
}


def write_activity_template(path: Path, language: Language = "en") -> None:
    """Write the blank workbook: one sheet, headers with notes in row 1, lists and date checks below."""
    sheet_name, not_in_list, not_a_date = _WORDS[language]
    with xlsxwriter.Workbook(str(path)) as book:
        book.set_properties({"created": _MADE_AT, "title": sheet_name})
        sheet = book.add_worksheet(sheet_name)
        bold = book.add_format({"bold": True, "bg_color": "#E8EEF7", "bottom": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for column, (title, width, note) in enumerate(_COLUMNS[language]):
            sheet.set_column(column, column, width, day if column in (0, 7) else None)
            sheet.write_string(0, column, title, bold)
            sheet.write_comment(0, column, note, {"x_scale": 1.5, "author": ""})
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, ROWS, len(_COLUMNS[language]) - 1)
        for column in (0, 7):
            earliest = {"criteria": ">=", "value": datetime(2000, 1, 1), "error_message": not_a_date}  # noqa: DTZ001
            sheet.data_validation(1, column, ROWS, column, {"validate": "date", **earliest})
        types = {"validate": "list", "source": _TYPES[language], "error_title": not_in_list}
        sheet.data_validation(1, 4, ROWS, 4, types)
        outcomes = {"validate": "list", "source": _OUTCOMES[language], "error_type": "information"}
        sheet.data_validation(1, 5, ROWS, 5, outcomes)
