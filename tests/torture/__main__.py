"""`make torture`: every rig of `rigs/` breaks the night in its ways; one table, and exit code 1 when anything was lost.

Two rigs run at a time, so that both processors of a small machine are at work.

    python -m tests.torture [crash files ...]

A rig is a module with `run(scratch) -> Iterator[Row]`: nothing has to be told of a new one.
"""

from __future__ import annotations

import importlib
import pkgutil
import resource
import select
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.torture import disk
from tests.torture.children import Child
from tests.torture.report import Row, counted, table

HERE = Path(__file__).resolve().parent
AT_ONCE = 2  # rigs wait for vendors and disks, and some use one processor only
LONGEST_FIRST = ("crash", "vendors", "files", "readers")


def broken_by(name: str, scratch: Path) -> list[Row]:
    """All rows of a rig, told as they come. Its scratch stays when anything was lost."""
    started, folder, rows = time.monotonic(), scratch / name, []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for row in importlib.import_module(f"tests.torture.rigs.{name}").run(folder):
            rows.append(row)
            print(f"{row.fault}: {row.survived} of {row.tries} survived {row.note}", file=sys.stderr, flush=True)
    except Exception as error:  # noqa: BLE001 the other rigs' rows are worth their time
        traceback.print_exc()
        rows.append(counted(f"{name} broke off", [f"{error}"[-300:] or type(error).__name__]))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = f"{time.monotonic() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of a processor"
    print(f"{name}: {seconds}", file=sys.stderr, flush=True)
    if not any(row.lost for row in rows):
        shutil.rmtree(folder)
    return rows


def main(chosen: list[str]) -> int:
    known = sorted(module.name for module in pkgutil.iter_modules([str(HERE / "rigs")]))
    if unknown := set(chosen) - set(known):
        print(f"no rig named {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    scratch = Path(tempfile.gettempdir()) / "salesops-torture"
    disk.preload(scratch)
    waiting = [name for name in LONGEST_FIRST if name in (chosen or known)]
    waiting += [name for name in chosen or known if name not in waiting]
    at_work: dict[int, tuple[str, Child]] = {}
    ended: dict[str, list[Row]] = {}
    while waiting or at_work:
        while waiting and len(at_work) < AT_ONCE:
            name = waiting.pop(0)
            child = Child(lambda name=name: broken_by(name, scratch))
            at_work[child.reader] = (name, child)
        for reader in select.select([*at_work], [], [])[0]:
            name, child = at_work.pop(reader)
            ended[name] = child.wait().or_raise()
    rows = [row for name in sorted(ended) for row in ended[name]]
    print(table(rows))
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
