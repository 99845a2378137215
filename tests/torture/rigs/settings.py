"""Settings and mappings that were mistyped: refused with the file named and what to do, never with a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from ingestion.sheet_files import SheetError, read_csv
from ingestion.sheet_mapping import MappingError, load_mappings
from ingestion.sheet_rows import read_rows
from salesops import config
from tests.torture.bounds import Harm, need, within_bounds
from tests.torture.mutations import of_toml
from tests.torture.report import Row, counted

ROOT = Path(__file__).resolve().parents[3]


def run(scratch: Path, tries: int = 6_000) -> Iterator[Row]:
    """Each mutation is refused with its file named, or is used."""

    def of_company() -> str:
        return fuzzed_settings(tries)

    def of_mappings() -> str:
        return fuzzed_mappings(tries)

    for fault, act in (("salesops.toml", of_company), ("mappings/*.toml", of_mappings)):
        told = within_bounds(act)
        yield counted(
            f"input: {tries} mutations of {fault}", [told[0]], f"{told[1]:.1f} s of a processor, {told[2]} MB"
        )


def fuzzed_settings(tries: int) -> str:
    base = (ROOT / "salesops.example.toml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "salesops.toml"
        for seed in range(tries):
            path.write_bytes(of_toml(base, Random(f"settings:{seed}")).encode("utf-8", "surrogateescape"))
            try:
                config.load({"SALESOPS_CONFIG": str(path)})
            except config.ConfigError as error:
                need(str(path) in str(error), f"seed {seed}: {error}")
            except Exception as error:
                raise Harm(f"seed {seed}: {type(error).__name__}: {error}") from error
    return ""


def fuzzed_mappings(tries: int) -> str:
    """Each mutation is used too: on a sheet with the columns that the mapping had."""
    files = sorted((ROOT / "mappings").glob("*.toml"))
    with tempfile.TemporaryDirectory() as folder:
        for place, source in enumerate(files):
            path, base = Path(folder) / source.name, source.read_text()
            titles = [column.headers[0] for column in load_mappings([source])[0].columns.values()]
            lines = [titles, *([text] * len(titles) for text in ("1", "2026-01-02", "won", "å"))]
            sheet = read_csv("\n".join(";".join(line) for line in lines).encode())
            for seed in range(place, tries, len(files)):
                path.write_bytes(of_toml(base, Random(f"mappings:{seed}")).encode("utf-8", "surrogateescape"))
                try:
                    list(read_rows(sheet, load_mappings([path])[0]))
                except (MappingError, SheetError) as error:
                    need(source.stem in str(error) or isinstance(error, SheetError), f"seed {seed}: {error}")
                except Exception as error:
                    raise Harm(f"{source.name}, seed {seed}: {type(error).__name__}: {error}") from error
    return ""
