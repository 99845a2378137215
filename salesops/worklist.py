"""The workbook of duplicates: what to merge in the CRM and what to rule on, read back by mappings/rulings.toml."""

from __future__ import annotations

from pathlib import Path

from salesops import workbook
from salesops.publication import reading
from salesops.workbook import Column

RULINGS = ("Same", "Different", "Keep apart")

# over kpi.duplicate_worklist and the ruling in force on the pair
_COLUMNS = (
    Column("Place", 6, "place", "number"),
    Column("To do", 8, "case action when 'merge' then 'Merge' else 'Rule' end"),
    Column("Kind", 9, "thing"),
    Column("Name", 26, "name"),
    Column("E-mail or domain", 32, "detail"),
    Column("Link", 12, "record_url", "link"),
    Column("Other name", 26, "into_name"),
    Column("Other e-mail or domain", 32, "into_detail"),
    Column("Other link", 12, "into_record_url", "link"),
    Column("Why they may be one", 60, "explanation"),
    Column("Open pipeline", 14, "value_at_stake", "money"),
    Column("Owner", 20, "owner"),
    Column("Entry channel", 14, "entry_channel"),
    Column("Record", 24, "record_key"),
    Column("Other record", 24, "into_record_key"),
    Column("Ruling", 12, "ruled.ruling", is_to_fill=True, choices=RULINGS),
    Column("Ruled by", 14, "ruled.ruled_by", is_to_fill=True),
    Column("Ruled on", 12, "ruled.ruled_date", "date", is_to_fill=True),
    Column("Reason", 30, "ruled.reason", is_to_fill=True),
)
_QUERY = f"""
with ruled as (
    select least(left_record, right_record) as low, greatest(left_record, right_record) as high,
        upper(left(ruling, 1)) || replace(substring(ruling, 2), '_', ' ') as ruling, ruled_by, ruled_date, reason
    from pipeline.match_rulings where state = 'in force'
)
select {workbook.select(_COLUMNS)}
from kpi.duplicate_worklist
left join ruled on low = least(record_key, into_record_key) and high = greatest(record_key, into_record_key)
order by place
"""


def write(published: Path, to: Path | None = None) -> tuple[Path, int]:
    """Write the worklist of a publication; the workbook and its number of lines. An existing file is replaced."""
    with reading(published) as marts:
        rows = marts.execute(_QUERY).fetchall()
        ((day,),) = marts.execute(workbook.AS_OF_DAY).fetchall()
    path = to or Path(f"duplicates-{day}.xlsx")
    workbook.write(path, "Duplicates", day, [("Duplicates", _COLUMNS, rows)], frozen_columns=4)
    return path, len(rows)
