"""Faults on demand: what a vendor does to a client on a bad day, by name, per route and n-th call.

A fault is written `name[:argument][@nth[xTimes]]`: `server_errors:deals@3x2` answers the third and fourth call whose
path holds "deals" with 500s; without `@` each name has its own default. `name[:argument]%share` hits that share of the
calls, in percent: `html%10` every tenth, drawn by path and by how often that path was asked, so that the same calls
meet the same faults in whatever order threads ask. Data faults change the company's records
once, when the server starts. Nothing here touches a socket: the server asks `Faults.next` and does as told.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from sandbox.catalogue import SPELLINGS
from sandbox.store import Record, Value

if TYPE_CHECKING:
    from sandbox.world import World

FOR_EVER = 1_000_000_000
# name -> (first call it hits, how many calls)
ANSWER_FAULTS = {
    "rate_limit": (3, 2),
    "rate_limit_silent": (3, 1),
    "rate_limit_daily": (3, FOR_EVER),
    "server_errors": (3, 3),
    "down": (1, FOR_EVER),
    "html": (3, 1),
    "html_block": (3, FOR_EVER),
    "truncated": (3, 1),
    "missing_results": (3, 1),
    "null_body": (3, 1),
    "reset": (3, 1),
    "slow": (3, 1),
    "hang": (3, 1),
    "foreign_next": (1, FOR_EVER),
    "repeated_page": (1, FOR_EVER),
    "empty_page": (2, 1),
    "duplicate_rows": (1, FOR_EVER),
    "conflict": (3, 1),
    "edge_error": (3, 3),
    "unauthorized": (1, FOR_EVER),
    "expired": (3, 1),
    "missing_scope": (1, FOR_EVER),
    "not_found": (1, FOR_EVER),
    "locked": (3, 1),
    "moved": (3, 1),
    "not_yet": (1, FOR_EVER),
    # Salesforce's own
    "session_expired": (3, 1),
    "locator_gone": (1, 1),
    "request_limit": (3, FOR_EVER),
    "concurrent_limit": (3, 2),
    "query_timeout": (1, 1),
    "job_failed": (1, 1),
    "validation_rule": (1, 1),
    "duplicates_detected": (1, 1),
    "row_locked": (1, 1),
    # Pipedrive's own
    "cursor_reset": (1, 1),
}
DATA_FAULTS = ("duplicates", "dirty_values", "restamp", "stale")
_SPEC = re.compile(
    r"(?P<name>[a-z_]+)(:(?P<argument>[^@%]+))?((@(?P<nth>\d+)(x(?P<times>\d+))?)|(%(?P<share>\d+(\.\d+)?)))?$"
)


@dataclass
class Fault:
    """One planned misbehaviour; `seen` counts the calls that it looks at."""

    name: str
    argument: str = ""
    nth: int = 1
    times: int = 1
    share: float | None = None  # percent of the calls, instead of the nth
    seen: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def hits(self, path: str) -> bool:
        """Count a call and say whether this one is hit."""
        if self.name == "missing_scope" and self.argument:
            meant = concerns(path, self.argument) or (
                path.startswith(("/api/v", "/v1/", "/services/data/")) and self.argument in path
            )
        elif self.name == "cursor_reset":
            meant = "cursor=" in path and self.argument in path
        else:
            meant = self.name not in DATA_FAULTS and self.argument in path
        if not meant:
            return False
        self.seen += 1
        if self.share is not None:
            self.asked[path] += 1
            return Random(f"{self.name}:{path}:{self.asked[path]}").random() * 100 < self.share
        return self.nth <= self.seen < self.nth + self.times


def concerns(path: str, name: str) -> bool:
    """Whether reading a path needs the scope of an object: its records and what they are linked from."""
    parts = [part for part in path.partition("?")[0].split("/") if part][2:]
    if name in ("owners", "pipelines"):
        return parts[:1] == [name]
    plural = SPELLINGS.get(name, name)
    return parts[:1] in (["objects"], ["associations"]) and SPELLINGS.get(parts[1], "") == plural


def parse(text: str) -> Fault:
    """`name[:argument][@nth[xTimes]]` or `name[:argument]%share`; ValueError names the faults there are."""
    match = _SPEC.match(text)
    if match is None or match["name"] not in (*ANSWER_FAULTS, *DATA_FAULTS):
        known = ", ".join(sorted((*ANSWER_FAULTS, *DATA_FAULTS)))
        raise ValueError(f"no fault {text!r}; there are: {known}")
    nth, times = ANSWER_FAULTS.get(match["name"], (1, 1))
    if match["nth"]:
        nth, times = int(match["nth"]), int(match["times"] or 1)
    share = float(match["share"]) if match["share"] and match["name"] in ANSWER_FAULTS else None
    return Fault(match["name"], match["argument"] or "", nth, times, share)


class Faults:
    """The faults that are on now."""

    def __init__(self, specs: list[str] | tuple[str, ...] = ()) -> None:
        self.active = [parse(spec) for spec in specs]

    def next(self, path: str) -> Fault | None:
        """The fault that this call meets, if any."""
        hit = [fault for fault in self.active if fault.hits(path)]
        return hit[0] if hit else None


def apply_data_faults(world: World, faults: Faults) -> None:
    """Change the records as the data faults say, stamped now."""
    rng = Random(f"{world.seed}:faults")
    for fault in faults.active:
        if fault.name == "duplicates":
            import_duplicates(world, rng, int(fault.argument or 40))
        elif fault.name == "dirty_values":
            soil(world)
        elif fault.name == "restamp":
            at = world.stamp()
            for deal in _living(world, "deals"):
                world.store.change(deal, at, {})


def _living(world: World, object_type: str) -> list[Record]:
    return [record for record in world.store.records[object_type].values() if record.archived_at is None]


def import_duplicates(world: World, rng: Random, count: int) -> None:
    """Somebody imports a list of people who are in the CRM already. Own id range: later days keep their ids."""
    from sandbox import people

    at, made = world.stamp(), 0
    candidates = _living(world, "contacts")
    while made < count:
        record_id = str(990_000_000_001 + made)
        made += people.copy_contact(world, rng, at, rng.choice(candidates).id, record_id) is not None


DIRT: tuple[dict[str, Value], ...] = (
    {"amount": "ninety thousand"},
    {"amount": "1e6"},
    {"amount": ""},
    {"amount": "-2500"},
    {"closedate": "2206-03-01T10:00:00Z"},
    {"closedate": "soon"},
    {"hubspot_owner_id": "99999999"},
    {"dealstage": "stage_that_was_deleted"},
    {"deal_currency_code": "RSD"},
)


def soil(world: World) -> None:
    """Values that people and old integrations leave behind, one kind a deal; the oldest open deals get them."""
    at = world.stamp()
    deals = [deal for deal in _living(world, "deals") if deal.properties["hs_is_closed"] == "false"]
    for deal, values in zip(deals, DIRT, strict=False):
        world.store.change(deal, at, values, "IMPORT")
