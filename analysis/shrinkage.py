"""How far the rates of members are drawn to the rate of all: `kpis.md` S5."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_STRENGTH = 200.0  # trials: there is no evidence that members differ


def prior_strength(won: NDArray[Any], seen: NDArray[Any]) -> NDArray[np.float64]:
    """What the rate of all counts for, in trials, beside a member's own; members lie along the last axis.

    m = min(200, 1/rho - 1) of the ANOVA estimate of rho; 200 where rho is not above 0 or cannot be told.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        total, members = seen.sum(-1), (seen > 0).sum(-1)
        rate = (won.sum(-1) / total)[..., None]
        own = np.where(seen > 0, won / seen, 0.0)
        between = (seen * (own - rate) ** 2).sum(-1) / (members - 1)
        within = (won * (1 - own)).sum(-1) / (total - members)
        size = (total - (seen**2).sum(-1) / total) / (members - 1)
        rho = (between - within) / (between + (size - 1) * within)
        strength = np.minimum(1 / rho - 1, LARGEST_STRENGTH)
    return np.where(np.isfinite(strength) & (rho > 0), strength, LARGEST_STRENGTH)
