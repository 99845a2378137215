"""The arithmetic of rates: shares by cell drawn to their group (S5), chances from hazards (F3), pacing (F4)."""

from __future__ import annotations

import numpy as np

from analysis.forecast.inputs import Array
from analysis.shrinkage import prior_strength

LEAST_STRENGTH = 1.0  # trials: a member nobody has seen is drawn to its group all the same


def shrunk(won: Array, seen: Array, prior: Array) -> Array:
    """Shares along the last axis, each drawn to `prior` of its group."""
    strength = np.maximum(LEAST_STRENGTH, prior_strength(won, seen))[..., None]
    return (won + prior[..., None] * strength) / (seen + strength)


def shares_by_cell(won: Array, seen: Array) -> Array:
    """Of counts by (weeks left, group, member): a member is drawn to its group, a group to all in that week (F2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        overall = won.sum((1, 2)) / seen.sum((1, 2))
    known = won.sum() / max(1.0, seen.sum())
    overall = np.where(np.isfinite(overall), overall, known)
    groups = shrunk(won.sum(2), seen.sum(2), overall)
    return shrunk(won, seen, groups)


def win_within(win: Array, move: Array, weeks: int, pace: Array) -> Array:
    """F3: chance to be won within 0 .. `weeks` steps, by (steps, age, stage), from hazards by age and stage.

    `win` is (age, stage), `move` (age, stage, stage) the chance to stand open in another stage one step later; what is
    neither is lost or gone. A deal grows one step older with each step; the oldest stay where they are. `pace[n]`
    multiplies the hazard of winning in the step after which n - 1 are left; moves give way to what it adds.
    """
    ages = win.shape[0]
    older = np.minimum(np.arange(ages) + 1, ages - 1)
    found = np.zeros((weeks + 1, *win.shape))
    for step in range(1, weeks + 1):
        hazard = np.minimum(0.95, win * pace[min(step, len(pace) - 1)])
        stays = np.where(win < 1, (1 - hazard) / np.maximum(1e-9, 1 - win), 0.0)
        later = np.einsum("ast,at->as", move, found[step - 1][older])
        found[step] = hazard + stays * later
    return found


def paced(so_far: float, finals: Array, then: Array) -> float:
    """F4, pooled: won so far x sum of finals / sum of what was won at the same place of their periods."""
    return float(so_far * finals.sum() / then.sum()) if then.sum() > 0 and so_far > 0 else float("nan")
