"""Union-find that asks before it joins: strongest edges first, and no cluster that contradicts itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from analysis.matching.weights import Weights

Identifiers = dict[int, dict[str, set[str]]]
"""Strong identifiers by record: scope (a corporate domain) -> values in it (its mailboxes)."""


def is_slip(a: str, b: str) -> bool:
    """Equal, or one letter added, lost, changed or moved. A digit is no slip: it tells two people apart."""
    if a == b:
        return True
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    left, right = a[start:], b[start:]
    if any(letter.isdigit() for letter in left[:1] + right[:1]):
        return False
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[:2][::-1] and left[2:] == right[2:])
    )


class Clusters:
    """Groups of 0..count-1. A refusal is a text a person can read; None means joined."""

    def __init__(self, count: int, largest: int, apart: Iterable[tuple[int, int]] = ()) -> None:
        self.parent = list(range(count))
        self.members: dict[int, list[int]] = {}
        self.largest = largest
        self.apart: dict[int, set[int]] = defaultdict(set)
        for a, b in apart:
            self.apart[a].add(b)
            self.apart[b].add(a)
        self.identifiers: Identifiers = {}

    def find(self, record: int) -> int:
        parent = self.parent
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    def of(self, root: int) -> list[int]:
        return self.members.get(root) or [root]

    def are_ruled_apart(self, x: int, y: int) -> bool:
        """Through any third record too: rulings are asked for every member of the smaller cluster."""
        if not self.apart:
            return False
        small, other = (x, y) if len(self.of(x)) <= len(self.of(y)) else (y, x)
        return any(self.find(b) == other for a in self.of(small) for b in self.apart.get(a, ()))

    def conflict(self, x: int, y: int) -> str | None:
        mine, theirs = self.identifiers.get(x), self.identifiers.get(y)
        if not mine or not theirs:
            return None
        shared = mine.keys() & theirs.keys()
        if not shared:
            return "another corporate domain"
        if not all(any(is_slip(m, t) for m in mine[scope] for t in theirs[scope]) for scope in shared):
            return "two mailboxes at one company"
        return None

    def join(self, a: int, b: int, is_certain: bool = False, is_ruled: bool = False) -> str | None:
        """None, or why the two clusters stay two. `is_certain` passes conflicting identifiers, `is_ruled` any limit."""
        x, y = self.find(a), self.find(b)
        if x == y:
            return None
        if self.are_ruled_apart(x, y):
            return "ruled apart"
        if not is_ruled and len(self.of(x)) + len(self.of(y)) > self.largest:
            return "cluster too large"
        if not is_ruled and not is_certain and (found := self.conflict(x, y)):
            return found
        self._unite(*((x, y) if len(self.of(x)) >= len(self.of(y)) else (y, x)))
        return None

    def _unite(self, large: int, small: int) -> None:
        self.parent[small] = large
        self.members.setdefault(large, [large]).extend(self.of(small))
        self.members.pop(small, None)
        for scope, values in self.identifiers.pop(small, {}).items():
            self.identifiers.setdefault(large, {}).setdefault(scope, set()).update(values)

    def labels(self) -> NDArray[np.int64]:
        """The smallest member of each record's cluster."""
        roots = np.array(self.parent, np.int64)
        while (roots != (above := roots[roots])).any():
            roots = above
        smallest = np.full(len(roots), len(roots), np.int64)
        np.minimum.at(smallest, roots, np.arange(len(roots)))
        return smallest[roots]


def join_pairs(
    clusters: Clusters,
    pairs: dict[str, np.ndarray],
    scores: np.ndarray,
    weights: Weights,
    threshold: float,
    same: tuple[str, ...] = ("same",),
) -> list[str | None]:
    """Rulings first, then edges from the strongest down to the threshold; why each was not taken."""
    refusals: list[str | None] = [None] * len(scores)
    records = list(zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True))
    rulings, holds = pairs["ruling"], pairs["hold"]
    for edge in np.flatnonzero(np.isin(rulings, same)).tolist():
        refusals[edge] = clusters.join(records[edge][0] - 1, records[edge][1] - 1, is_ruled=True)
    for edge in np.flatnonzero(scores >= weights.review_score).tolist():
        a, b = records[edge]
        if rulings[edge] in ("different", "keep_apart"):
            refusals[edge] = f"ruled: {rulings[edge]}"
        elif holds[edge] and rulings[edge] not in same:
            refusals[edge] = holds[edge]
        elif scores[edge] >= threshold:
            refusals[edge] = clusters.join(a - 1, b - 1, is_certain=scores[edge] >= weights.certain_score)
    return refusals
