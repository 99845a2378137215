"""The workbook of duplicates: what to merge in the CRM and what to rule on, read back by mappings/rulings.toml."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from salesops.publication import reading

RULINGS = ["Same", "Different", "Keep apart"]
_DAY = "cast(as_of at time zone 'UTC' as date)"

# header, width, expression over kpi.duplicate_worklist and the ruling in force on the pair
_COLUMNS = (
    ("Place", 6, "place"),
    ("To do", 8, "case action when 'merge' then 'Merge' else 'Rule' end"),
    ("Kind", 9, "thing"),
    ("Name", 26, "name"),
    ("E-mail or domain", 32, "detail"),
    ("Link", 12, "record_url"),
    ("Other name", 26, "into_name"),
    ("Other e-mail or domain", 32, "into_detail"),
    ("Other link", 12, "into_record_url"),
    ("Why they may be one", 60, "explanation"),
    ("Open pipeline", 14, "value_at_stake"),
    ("Owner", 20, "owner"),
    ("Entry channel", 14, "entry_channel"),
    ("Record", 24, "record_key"),
    ("Other record", 24, "into_record_key"),
    ("Ruling", 12, "ruled.ruling"),
    ("Ruled by", 14, "ruled.ruled_by"),
    ("Ruled on", 12, "ruled.ruled_date"),
    ("Reason", 30, "ruled.reason"),
)
_QUERY = f"""
with ruled as (
    select least(left_record, right_record) as low, greatest(left_record, right_record) as high,
        upper(left(ruling, 1)) || replace(substring(ruling, 2), '_', ' ') as ruling, ruled_by, ruled_date, reason
    from pipeline.match_rulings where state = 'in force'
)
select {", ".join(expression for _, _, expression in _COLUMNS)}
from kpi.duplicate_worklist
left join ruled on low = least(record_key, into_record_key) and high = greatest(record_key, into_record_key)
order by place
"""


def write(published: Path, to: Path | None = None) -> tuple[Path, int]:
    """Write the worklist of a publication; the workbook and its number of lines. An existing file is replaced."""
    import xlsxwriter

    with reading(published) as marts:
        rows = marts.execute(_QUERY).fetchall()
        (day,) = marts.execute(f"select {_DAY} from meta.publication").fetchone() or (date.min,)
    path = to or Path(f"duplicates-{day}.xlsx")
    made = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the same publication gives the same bytes)
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"created": made, "title": "Duplicates"})
        sheet = book.add_worksheet("Duplicates")
        head = book.add_format({"bold": True, "bg_color": "#E8EEF7", "bottom": 1, "text_wrap": True, "valign": "top"})
        to_fill = book.add_format({"bold": True, "bg_color": "#FFF2CC", "bottom": 1, "valign": "top"})
        money, dated = book.add_format({"num_format": "#,##0"}), book.add_format({"num_format": "yyyy-mm-dd"})
        for column, (title, width, _) in enumerate(_COLUMNS):
            shape = {"Open pipeline": money, "Ruled on": dated}.get(title)
            sheet.set_column(column, column, width, shape)
            is_to_fill = title in ("Ruling", "Ruled by", "Ruled on", "Reason")
            sheet.write_string(0, column, title, to_fill if is_to_fill else head)
        for number, row in enumerate(rows, start=1):
            for column, ((title, _, _), value) in enumerate(zip(_COLUMNS, row, strict=True)):
                if value is None:
                    continue
                if title in ("Place", "Open pipeline"):
                    sheet.write_number(number, column, float(value))
                elif title == "Ruled on":
                    sheet.write_datetime(number, column, value)
                elif title in ("Link", "Other link"):
                    sheet.write_url(number, column, str(value), string="open")
                else:
                    sheet.write_string(number, column, str(value))
        last = max(len(rows), 1)
        place = [title for title, _, _ in _COLUMNS].index("Ruling")
        sheet.data_validation(1, place, last, place, {"validate": "list", "source": RULINGS})
        sheet.freeze_panes(1, 4)
        sheet.autofilter(0, 0, last, len(_COLUMNS) - 1)
    return path, len(rows)
