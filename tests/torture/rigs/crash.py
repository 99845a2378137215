"""Whole nights, broken: killed anywhere, no disk, no memory, a second night, locks of the dead.

After each, one ordinary night, and raw, marts and publication hold what those of an unbroken pair of nights hold; no
run of Dagster's is left that looks as if it went on.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import company, disk
from tests.torture.children import Child, Ended, in_child, in_parallel
from tests.torture.company import Day, Nights, contents, differing
from tests.torture.report import Row, counted

SEED = 20261126
BY_TIME, BY_OPERATION, FIRST_NIGHTS, OF_THE_DISK, REAL = 25, 25, 2, 2, 1  # tries; two kills in each of the first two
MEGABYTES = (20, 60, 300, 800)


@dataclass
class Stage:
    """`base`: a data directory after a night of the earlier day. Tries break a night of the later one on a copy."""

    nights: Nights
    earlier: Day
    later: Day
    scratch: Path
    base: Path = field(init=False)
    wanted: dict[str, str] = field(init=False)
    fresh: dict[str, str] = field(init=False)
    operations: int = 0
    seconds: float = 0.0
    news: int = 0

    def __post_init__(self) -> None:
        self.base, unbroken, fresh = (self.scratch / name for name in ("base", "unbroken", "fresh"))
        self.nights.warm(self.earlier, self.base)
        shutil.copytree(self.base, unbroken)

        def count() -> tuple[int, float]:
            disk.arm("record", unbroken)  # without a log it only counts
            code, failures = self.nights.run(self.later, unbroken)
            assert code == 0, failures
            return disk.operations(), time.process_time()

        self.operations, self.seconds = in_child(count).or_raise()
        self.wanted = in_child(lambda: contents(unbroken)).or_raise()
        before = in_child(lambda: contents(self.base)).or_raise()
        self.news = sum(self.wanted[name] != held for name, held in before.items())
        assert self.news, "a later night that brings nothing shows nothing"
        self._must(self.later, fresh)
        self.fresh = in_child(lambda: contents(fresh)).or_raise()

    def _must(self, day: Day, data: Path) -> None:
        if wrong := self.nights.unbroken(day, data):
            raise RuntimeError(f"a night that nobody broke: {wrong}")

    def folder(self, worker: int, is_first: bool = False) -> Path:
        folder = self.scratch / f"try{worker}"
        shutil.rmtree(folder, ignore_errors=True)
        if not is_first:
            shutil.copytree(self.base, folder)
        return folder

    def recovered(self, folder: Path, is_first: bool = False) -> str:
        """One ordinary night, then what is lost or left over; empty: nothing."""
        if wrong := self.nights.unbroken(self.later, folder):
            return f"the ordinary night: {wrong}"
        ended = in_child(lambda: contents(folder))
        wrong = ended.error or differing(ended.value, self.fresh if is_first else self.wanted)
        return wrong or left_over(folder)


def left_over(folder: Path) -> str:
    """Files that nobody will remove, and runs that look as if they went on."""
    files = [p.name for p in (folder / "published").rglob("*") if p.name.startswith(".") or p.suffix == ".wal"]
    files += [p.name for p in (folder / "spool").rglob("*") if p.is_file()]
    if files:
        return f"left over: {', '.join(files[:5])}"
    with sqlite3.connect(folder / "dagster" / "history" / "runs.db") as runs:
        unended = runs.execute("select count(*) from runs where status in ('STARTING', 'STARTED')").fetchone()[0]
    return f"{unended} dead runs are still shown as going on" if unended else ""


def run(scratch: Path, share: float = 1.0) -> Iterator[Row]:
    chance = random.Random(SEED)

    def some(count: int) -> range:
        return range(max(1, round(count * share)))

    with company.days(scratch / "company") as (earlier, later):
        stage = Stage(Nights(scratch), earlier, later, scratch)
        night = f"of {stage.operations} operations in {stage.seconds:.1f} s of a processor; {stage.news} tables change"

        def after(folder: Path, seconds: float) -> Ended:
            return in_child(lambda: stage.nights.run(later, folder), kill_after=seconds)

        def at(folder: Path, number: float) -> Ended:
            return in_child(lambda: (disk.arm("kill", folder, int(number)), stage.nights.run(later, folder)))

        moments = [(chance.uniform(0, stage.seconds), chance.uniform(0, stage.seconds)) for _ in some(BY_TIME)]
        yield _twice("kill -9 at a random moment", in_parallel(_killed(stage, after), moments), night)
        places = [
            (chance.randint(1, stage.operations), chance.randint(1, stage.operations)) for _ in some(BY_OPERATION)
        ]
        yield _twice("kill -9 at a random file operation", in_parallel(_killed(stage, at), places), night)
        numbers = [chance.randint(1, stage.operations) for _ in some(FIRST_NIGHTS)]
        yield counted("kill -9, the very first night", in_parallel(_broken_at(stage, "kill", is_first=True), numbers))
        for name, error in (("disk full", errno.ENOSPC), ("read-only directory", errno.EROFS)):
            numbers = [1, *(chance.randint(1, stage.operations) for _ in some(OF_THE_DISK))]
            yield counted(f"{name} from a random operation on", in_parallel(_broken_at(stage, "fail", error), numbers))
        yield counted("memory limit", in_parallel(_limited(stage), MEGABYTES), "MB to grow: 20 to 800")
        yield counted("two nights at once", in_parallel(_two_at_once(stage), some(2)), "one runs, the other says so")
        yield counted("locks of the dead", in_parallel(_stale_locks(stage), ("999999999", str(os.getpid()), "", "\0x")))
    with company.days(scratch / "real") as (earlier, later):
        yield counted("kill -9, the command itself", _real(earlier, later, scratch, chance, len(some(REAL))))


def _twice(fault: str, ends: list[str], note: str) -> Row:
    """Two nights in a row were killed in each try; both count."""
    return counted(f"{fault}, and the night after it too", [end for end in ends for _ in range(2)], note)


def _killed(stage: Stage, kill: Callable[[Path, float], Ended]) -> Callable[[int, tuple[float, float]], str]:
    """`kill` runs a night in the folder and kills it at this place."""

    def at(worker: int, places: tuple[float, float]) -> str:
        folder = stage.folder(worker)
        for place in places:
            kill(folder, place)
        wrong = stage.recovered(folder)
        return f"at {places}: {wrong}" if wrong else ""

    return at


def _broken_at(stage: Stage, mode: str, error: int = 0, is_first: bool = False) -> Callable[[int, int], str]:
    def at(worker: int, number: int) -> str:
        folder = stage.folder(worker, is_first)

        def broken() -> Any:
            disk.arm(mode, folder, number, error)
            return stage.nights.run(stage.later, folder)

        ended = in_child(broken)
        wrong = stage.recovered(folder, is_first)
        if not wrong and mode == "fail" and ended.value and ended.value[0] == 0:
            wrong = "" if number > stage.operations * 0.9 else "the night said that all was well"
        return f"at operation {number}: {wrong}" if wrong else ""

    return at


def _limited(stage: Stage) -> Callable[[int, int], str]:
    def at(worker: int, megabytes: int) -> str:
        folder = stage.folder(worker)

        def limited() -> Any:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + megabytes * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            return stage.nights.run(stage.later, folder)

        in_child(limited)
        wrong = stage.recovered(folder)
        return f"{megabytes} MB: {wrong}" if wrong else ""

    return at


def _two_at_once(stage: Stage) -> Callable[[int, int], str]:
    def at(worker: int, _: int) -> str:
        folder = stage.folder(worker)
        both = [Child(lambda: stage.nights.run(stage.later, folder)) for _ in range(2)]
        ends: list[Ended] = [child.wait() for child in both]
        ran = [end for end in ends if end.value and end.value[0] == 0]
        kept_out = [end for end in ends if "another night is running" in end.error]
        if len(ran) != 1 or len(kept_out) != 1:
            return f"{len(ran)} ran and {len(kept_out)} were kept out"
        return stage.recovered(folder)

    return at


def _stale_locks(stage: Stage) -> Callable[[int, str], str]:
    """A machine that was restarted in the middle: the files of the locks are there, with a number that is another's."""

    def at(worker: int, holder: str) -> str:
        folder = stage.folder(worker)
        in_child(lambda: stage.nights.run(stage.later, folder), kill_after=stage.seconds / 2)
        (folder / "night.lock").write_text(holder)
        (folder / "dbt" / "parse.lock").write_text(holder)
        return stage.recovered(folder)

    return at


def _real(earlier: Day, later: Day, scratch: Path, chance: random.Random, tries: int) -> list[str]:
    """`salesops nightly` as a person starts it, with every model, check and brief."""

    def nightly(day: Day, data: Path, kill_after: float | None = None) -> str:
        process = company.nightly(day, data, "[brief]\npdf = false")
        try:
            said = process.communicate(timeout=kill_after)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return "killed"
        return "" if process.returncode == 0 else f"exit code {process.returncode}: {said[-600:]}"

    base, unbroken = scratch / "real-base", scratch / "real-unbroken"
    if wrong := nightly(earlier, base):
        return [wrong]
    shutil.copytree(base, unbroken)
    started = time.monotonic()
    if wrong := nightly(later, unbroken):
        return [wrong]
    seconds = time.monotonic() - started
    wanted = in_child(lambda: contents(unbroken)).or_raise()

    def at(worker: int, moment: float) -> str:
        folder = scratch / f"real{worker}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        nightly(later, folder, moment)
        ended = in_child(lambda: contents(folder)) if not (wrong := nightly(later, folder)) else Ended(error=wrong)
        lost = ended.error or differing(ended.value, wanted) or left_over(folder)
        return f"after {moment:.1f} s: {lost}" if lost else ""

    return in_parallel(at, [chance.uniform(0.05, 0.95) * seconds for _ in range(tries)])
