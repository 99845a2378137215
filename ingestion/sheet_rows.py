"""A sheet through its mapping: which column is which field, every row as a record or as a refusal with coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from ingestion import sheet_values as values
from ingestion.sheet_files import Cell, Sheet, SheetError
from ingestion.sheet_mapping import ALLOWED, Mapping, normalise

HEADER_SEARCH_ROWS = 20
SHOWN_CHARACTERS = 500


@dataclass(frozen=True)
class Header:
    """`row` is the last header row, 1-based; `names` the header of each column; `places` field -> column index."""

    row: int
    names: list[str]
    places: dict[str, int]


@dataclass(frozen=True)
class Record:
    record_id: str
    row: int
    cells: dict[str, str]
    fields: dict[str, str | None]
    corrected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A row that is not landed. `record_id` where the row's key could be read: that record is then not missing."""

    row: int
    column: str | None
    value: str | None
    reason: str
    record_id: str | None = None


def find_header(sheet: Sheet, mapping: Mapping) -> Header:
    """The header row that the mapping states, else the first of the best-matching rows. Raises SheetError."""
    if mapping.header_row is not None:
        candidates = [mapping.header_row + mapping.header_rows - 1]
    else:
        candidates = list(range(mapping.header_rows, min(len(sheet.rows), HEADER_SEARCH_ROWS) + 1))
    headers = [_header_at(sheet, mapping, row) for row in candidates if row <= len(sheet.rows)]
    if not headers:
        raise SheetError("no header row; the sheet has fewer rows than the mapping expects")
    best = max(headers, key=lambda header: (len(header.places), -header.row))
    missing = [name for name in _needed(mapping) if name not in best.places and name not in mapping.defaults]
    if not best.places:
        missing = missing or list(mapping.columns)
    if missing:
        wanted = "; ".join(f"{name} ({' or '.join(mapping.columns[name].headers)})" for name in missing)
        found = ", ".join(repr(name) for name in best.names if name)[:SHOWN_CHARACTERS]
        raise SheetError(
            f"no column for {wanted}; row {best.row} has {found}: add its header to {mapping.name}.toml or to the sheet"
        )
    return best


def _needed(mapping: Mapping) -> list[str]:
    own_id = [mapping.id_field] if mapping.id_field and not mapping.key else []
    return [name for name in dict.fromkeys([*own_id, *mapping.required]) if name in mapping.columns]


def _header_at(sheet: Sheet, mapping: Mapping, row: int) -> Header:
    stacks = [_header_stack(sheet, row, mapping.header_rows, column) for column in range(_width(sheet, row, mapping))]
    names = [" ".join(dict.fromkeys(part for part in stack if part)) for stack in stacks]
    known: dict[str, int] = {}
    for column, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        for form in (name, stack[-1] if stack else ""):
            if normalise(form):
                known.setdefault(normalise(form), column)
    places = {}
    for field_name, column_rule in mapping.columns.items():
        found = [known[normalise(h)] for h in column_rule.headers if normalise(h) in known]
        if found:
            places[field_name] = found[0]
    return Header(row, _distinct(names), places)


def _width(sheet: Sheet, row: int, mapping: Mapping) -> int:
    return max(len(sheet.rows[r]) for r in range(row - mapping.header_rows, row))


def _header_stack(sheet: Sheet, row: int, depth: int, column: int) -> list[str]:
    """The texts above each other that make one header; a merged cell counts for every column that it covers."""
    stack = []
    for index in range(row - depth, row):
        top, left = sheet.merged.get((index, column), (index, column))
        cells = sheet.rows[top] if top < len(sheet.rows) else []
        stack.append(values.to_text(cells[left]) if left < len(cells) else "")
    return stack


def _distinct(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for index, name in enumerate(names, start=1):
        name = name or f"column {index}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def read_rows(sheet: Sheet, mapping: Mapping) -> Iterator[Record | Refusal]:
    """Every row below the header that is filled in and not the header again. Raises SheetError."""
    header = find_header(sheet, mapping)
    marks = _decimal_marks(sheet, mapping, header)
    titles = [normalise(name) for name in header.names]
    awaited = [header.places[name] for name in mapping.waits_for if name in header.places]
    for number, cells in enumerate(sheet.rows[header.row :], start=header.row + 1):
        if all(values.to_text(cell) == "" for cell in cells):
            continue
        if awaited and all(values.to_text(cells[i]) == "" for i in awaited if i < len(cells)):
            continue
        if [normalise(values.to_text(cell)) for cell in cells] == titles[: len(cells)] and len(cells) == len(titles):
            continue
        yield _read_row(number, cells, mapping, header, marks)


def _decimal_marks(sheet: Sheet, mapping: Mapping, header: Header) -> dict[str, str]:
    marks = {}
    for name, column in header.places.items():
        if mapping.type_of(name) in ("decimal", "integer"):
            column_cells = [row[column] for row in sheet.rows[header.row :] if column < len(row)]
            given = mapping.decimal if mapping.decimal != "auto" else None
            marks[name] = given or values.decimal_mark(column_cells, sheet.delimiter)
    return marks


def _read_row(
    number: int, cells: list[Cell], mapping: Mapping, header: Header, marks: dict[str, str]
) -> Record | Refusal:
    for column in range(len(header.names), len(cells)):
        if shown := values.cell_text(cells[column])[:SHOWN_CHARACTERS]:
            reason = f"more cells than the header's {len(header.names)}: a delimiter inside a value that is not quoted?"
            return Refusal(number, f"column {column + 1}", shown, reason)
    fields: dict[str, str | None] = {}
    corrected: dict[str, str] = {}
    first: Refusal | None = None
    refused: set[str] = set()
    for name in dict.fromkeys([*mapping.columns, *mapping.defaults]):
        place = header.places.get(name)
        cell = cells[place] if place is not None and place < len(cells) else None
        try:
            fields[name] = _field(name, cell, mapping, marks.get(name, "."), corrected)
        except values.ValueRefused as error:
            title = header.names[place] if place is not None else name
            fields[name] = None
            refused.add(name)
            first = first or Refusal(number, title, values.cell_text(cell)[:SHOWN_CHARACTERS], str(error))
    record_id = _record_id(mapping, fields, refused)
    if first is not None:
        return Refusal(number, first.column, first.value, first.reason, record_id)
    texts = {title: values.cell_text(cell) for title, cell in zip(header.names, cells, strict=False)}
    seen = {title: text for title, text in texts.items() if text or not title.startswith("column ")}
    return Record(str(record_id), number, seen, fields, corrected)


def _field(name: str, cell: Cell, mapping: Mapping, mark: str, corrected: dict[str, str]) -> str | None:
    text = values.to_text(cell)
    if text.casefold() in {clean.casefold() for clean in mapping.empty} | {""}:
        value = mapping.defaults.get(name)
        if value is None and name in {*mapping.required, mapping.id_field if not mapping.key else ""}:
            raise values.ValueRefused("is missing")
        return value
    values.refuse_formula_error(text)
    text = _replaced(mapping.corrections.get(name), text, corrected, name)
    translated = _translated(mapping.values.get(name), text)
    if translated is None:
        value = _typed(name, cell if text == values.to_text(cell) else text, mapping, mark)
    else:
        value = translated
    allowed = ALLOWED.get(name)
    if allowed and value.casefold() not in allowed:
        raise values.ValueRefused(
            f"is none of {', '.join(allowed)}; add it under [values.{name}] of {mapping.name}.toml"
        )
    return value.casefold() if allowed else value


def _replaced(table: dict[str, str] | None, text: str, corrected: dict[str, str], name: str) -> str:
    """The right spelling; the one found goes into `corrected`, so that it is reported."""
    better = table.get(text) if table else None
    if better is None or better == text:
        return text
    corrected[name] = text
    return better


def _translated(table: dict[str, str] | None, text: str) -> str | None:
    if not table:
        return None
    for code, meaning in table.items():
        if normalise(code) == normalise(text) and code != "*":
            return meaning
    return table.get("*")


def _typed(name: str, cell: Cell, mapping: Mapping, mark: str) -> str:
    column = mapping.columns.get(name)
    multiplier = column.multiplier if column else None
    match mapping.type_of(name):
        case "date":
            return values.to_date(cell, mapping.formats_of(name))
        case "decimal":
            return values.to_decimal(cell, mark, multiplier)
        case "integer":
            return values.to_integer(cell, mark, multiplier)
        case "boolean":
            return values.to_boolean(cell)
        case _:
            return values.to_text(cell)


def _record_id(mapping: Mapping, fields: dict[str, Any], refused: set[str]) -> str | None:
    """The id column's value, else a hash of the key columns (empty ones too) under the mapping's name.

    None when it cannot be known, because a part of it was refused."""
    if mapping.id_field and fields.get(mapping.id_field):
        return str(fields[mapping.id_field])
    names = mapping.key or sorted(fields)
    if refused and (not mapping.key or refused & set(names)):
        return None
    joined = "\x1f".join(f"{name}={fields.get(name) or ''}" for name in names)
    return f"{mapping.name}:{md5(joined.encode(), usedforsecurity=False).hexdigest()}"
