"""Points of the scorecards: natural log-odds per field and level, read from a versioned file that `train` writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

Card = dict[str, dict[str, float]]
"""feature -> level -> points; a level that is not listed has none. `a & b` is what two fields say together."""

SHIPPED = Path(__file__).with_name("weights.json")


@dataclass(frozen=True)
class Weights:
    version: str
    training: str
    merge: Card
    """Same person, same employer."""
    person: Card
    """Same person, whatever the employer."""
    company: Card
    merge_start: float
    person_start: float
    company_start: float
    automatic_score: float = 2.0
    """The lowest half point at which, on the training seed, 99.65 % of all pairs in one cluster were one person."""
    review_score: float = 0.0
    person_score: float = 0.0
    company_automatic_score: float = 1.0
    company_review_score: float = -1.0
    certain_score: float = 8.0
    """From here on an edge may join what conflicting addresses keep apart."""

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Weights:
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
