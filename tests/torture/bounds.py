"""A try in a child with bounds on its memory and its processor time."""

from __future__ import annotations

import resource
from collections.abc import Callable

from tests.torture.children import in_child
from tests.torture.report import Row, counted

MAX_MEMORY_BYTES, MAX_SECONDS = 6 * 1024**3, 150


class Harm(Exception):
    """What went wrong, in words."""


def need(holds: object, otherwise: str) -> None:
    if not holds:
        raise Harm(otherwise)


def within_bounds(act: Callable[[], str]) -> tuple[str, float, int]:
    """`act` in a child: what it says was harmed ("" for nothing), processor seconds, megabytes."""

    def bounded() -> tuple[str, float, int]:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
        try:
            said = act()
        except Harm as harm:
            said = str(harm)
        mine, readers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        seconds = mine.ru_utime + mine.ru_stime + readers.ru_utime + readers.ru_stime
        return said, seconds, max(mine.ru_maxrss, readers.ru_maxrss) >> 10

    ended = in_child(bounded)
    if ended.signal or ended.error:
        return f"the process ended: signal {ended.signal} {ended.error[-600:]}", 0.0, 0
    return ended.value  # type: ignore[no-any-return]


def tried(fault: str, acts: list[Callable[[], str]]) -> Row:
    told = [within_bounds(act) for act in acts]
    note = f"at most {max(one[1] for one in told):.1f} s of a processor and {max(one[2] for one in told)} MB"
    return counted(f"input: {fault}", [one[0] for one in told], note)
