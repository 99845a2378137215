"""`make torture`: every rig of `rigs/` breaks the night in its ways; one table, and exit code 1 when anything was lost.

    python -m tests.torture [crash files ...]

A rig is a module with `run(scratch) -> Iterator[Row]`: nothing has to be told of a new one.
"""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.torture import disk
from tests.torture.report import Row, table

HERE = Path(__file__).resolve().parent


def main(chosen: list[str]) -> int:
    known = sorted(module.name for module in pkgutil.iter_modules([str(HERE / "rigs")]))
    if unknown := set(chosen) - set(known):
        print(f"no rig named {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    scratch = Path(tempfile.gettempdir()) / "salesops-torture"
    disk.preload(scratch)
    rows: list[Row] = []
    for name in chosen or known:
        started, folder = time.monotonic(), scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for row in importlib.import_module(f"tests.torture.rigs.{name}").run(folder):
            rows.append(row)
            print(f"{row.fault}: {row.survived} of {row.tries} survived {row.note}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        if not any(row.lost for row in rows):
            shutil.rmtree(folder)
    print(table(rows))
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
