"""Rulings of sales ops on pairs of records: which of them cannot all be true."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple


class Ruling(NamedTuple):
    """`ruling` is same, different or keep_apart; the keys are of two contact records or of two company records."""

    left_key: str
    right_key: str
    ruling: str


class Contradiction(NamedTuple):
    """`apart` was ruled on two records, the ends of `chain`, which the `same` rulings along it make one."""

    apart: Ruling
    chain: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of records of its rulings, smaller key first."""
        links = (*pairwise(self.chain), (self.chain[0], self.chain[-1]))
        return [(min(link), max(link)) for link in links]

    @property
    def explanation(self) -> str:
        said = ", ".join(f"{a} = {b}" for a, b in pairwise(self.chain))
        return f"{said}, but {self.chain[0]} and {self.chain[-1]} are ruled {self.apart.ruling.replace('_', ' ')}"


def set_contradictions_aside(rulings: Iterable[Ruling]) -> tuple[list[Ruling], list[Contradiction]]:
    """The rulings that stand, in order of their keys, and what contradicts each other: none of that stands.

    A chain is a shortest one. Nobody can tell which of its links is the wrong one, so all of them wait for sales ops.
    """
    ordered = sorted(set(rulings))
    neighbours: dict[str, list[str]] = defaultdict(list)
    for ruling in ordered:
        if ruling.ruling == "same":
            neighbours[ruling.left_key].append(ruling.right_key)
            neighbours[ruling.right_key].append(ruling.left_key)
    found = []
    for ruling in ordered:
        if ruling.ruling != "same" and (chain := _chain(neighbours, ruling.left_key, ruling.right_key)):
            found.append(Contradiction(ruling, chain))
    aside = {pair for known in found for pair in known.pairs}
    return [ruling for ruling in ordered if (ruling.left_key, ruling.right_key) not in aside], found


def _chain(neighbours: dict[str, list[str]], start: str, end: str) -> tuple[str, ...]:
    """Breadth first: a shortest chain of records from start to end, or none."""
    came_from = {start: ""}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        if key == end:
            chain = [key]
            while came_from[chain[-1]]:
                chain.append(came_from[chain[-1]])
            return tuple(reversed(chain))
        for other in sorted(neighbours.get(key, ())):
            if other not in came_from:
                came_from[other] = key
                queue.append(other)
    return ()
