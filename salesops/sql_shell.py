"""The published marts at a prompt. Read-only; the file is opened anew for each statement, so it is never held."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from salesops.config import ConfigError
from salesops.publication import reading

MOST_ROWS = 200
WELCOME = "Read-only. End a statement with ';'. .tables lists the tables, .quit leaves."


def main(path: Path, query: str | None) -> int:
    """Answer one statement, or open the shell. Exit code 1 when DuckDB refuses the statement."""
    if not path.exists():
        raise ConfigError(f"nothing is published yet ({path}): run `salesops nightly` first")
    console = Console(highlight=False)
    if query is not None:
        return _answer(console, path, query)
    if not sys.stdin.isatty():
        return _answer(console, path, sys.stdin.read())
    return _shell(console, path)


def _shell(console: Console, path: Path) -> int:
    import readline  # noqa: F401 - line editing and history for input()

    console.print(WELCOME, markup=False)
    lines: list[str] = []
    while True:
        try:
            line = input("   ...> " if lines else "marts> ")
        except EOFError:
            return 0
        except KeyboardInterrupt:
            lines = []
            console.print()
            continue
        if line.strip() in (".quit", ".exit"):
            return 0
        if line.strip() == ".tables":
            _answer(console, path, "select distinct schema_name, table_name from meta.dictionary order by all")
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            _answer(console, path, "\n".join(lines))
            lines = []


def _answer(console: Console, path: Path, query: str) -> int:
    try:
        with reading(path) as connection:
            result = connection.execute(query)
            names = [column[0] for column in result.description or []]
            rows = result.fetchmany(MOST_ROWS + 1)
    except duckdb.Error as error:
        print(error, file=sys.stderr)
        return 1
    if console.is_terminal:
        table = Table(*names)
        for row in rows[:MOST_ROWS]:
            table.add_row(*("" if value is None else str(value) for value in row))
        console.print(table)
    else:
        for cells in [names, *(["" if v is None else str(v) for v in row] for row in rows[:MOST_ROWS])]:
            print("\t".join(cells))
    if len(rows) > MOST_ROWS:
        print(f"first {MOST_ROWS} rows; say `limit` or `copy (...) to 'file.csv'` for more", file=sys.stderr)
    return 0
