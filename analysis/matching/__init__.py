"""Who is who: one person or company under several records, by a scorecard that can be read and rulings that beat it."""

from analysis.matching.engine import ContradictoryRulings, Report, resolve
from analysis.matching.weights import Weights

__all__ = ["ContradictoryRulings", "Report", "Weights", "resolve"]
