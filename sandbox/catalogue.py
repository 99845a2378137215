"""What the practice portal is set up with: object types, properties, pipelines, association types. Data only."""

from __future__ import annotations

from dataclasses import dataclass

OBJECT_TYPE_IDS = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "line_items": "0-8",
    "tasks": "0-27",
    "notes": "0-46",
    "meetings": "0-47",
    "calls": "0-48",
    "emails": "0-49",
    "leads": "0-136",
}
ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks")
SINGULAR = {name: name[:-1] for name in OBJECT_TYPE_IDS} | {"companies": "company", "line_items": "line_item"}
SPELLINGS = (
    {name: name for name in OBJECT_TYPE_IDS}
    | {number: name for name, number in OBJECT_TYPE_IDS.items()}
    | {singular: name for name, singular in SINGULAR.items()}
)
MERGEABLE = ("contacts", "companies", "deals")
CREATED = {name: "hs_createdate" for name in OBJECT_TYPE_IDS} | {
    name: "createdate" for name in ("contacts", "companies", "deals", "line_items")
}
MODIFIED = {name: "hs_lastmodifieddate" for name in OBJECT_TYPE_IDS} | {"contacts": "lastmodifieddate"}
SCOPES = (
    {name: f"crm.objects.{name}.read" for name in ("contacts", "companies", "deals", "leads", "line_items", "owners")}
    | {name: "crm.objects.contacts.read" for name in ("calls", "meetings", "notes", "tasks")}
    | {"emails": "sales-email-read", "pipelines": "crm.objects.deals.read", "account_info": "oauth"}
)
FIRST_IDS = {
    "contacts": 61_250_000_000,
    "companies": 15_730_000_000,
    "deals": 28_410_000_000,
    "line_items": 30_920_000_000,
    "leads": 394_700_000_000,
    "calls": 71_340_000_000,
    "emails": 72_880_000_000,
    "meetings": 73_510_000_000,
    "notes": 9_007_199_254_740_993,  # past what a double can hold, on purpose
    "tasks": 74_290_000_000,
}


@dataclass(frozen=True)
class Stage:
    """One stage; `probability` is text, as the vendor sends it."""

    id: str
    label: str
    probability: str
    is_closed: bool = False

    @property
    def is_won(self) -> bool:
        return self.is_closed and self.probability == "1.0"


@dataclass(frozen=True)
class Pipeline:
    id: str
    label: str
    stages: tuple[Stage, ...]

    @property
    def open_stages(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if not stage.is_closed)

    @property
    def won(self) -> Stage:
        return next(stage for stage in self.stages if stage.is_won)

    @property
    def lost(self) -> Stage:
        return next(stage for stage in self.stages if stage.is_closed and not stage.is_won)


SALES = Pipeline(
    "default",
    "Sales",
    (
        Stage("appointmentscheduled", "Discovery", "0.2"),
        Stage("qualifiedtobuy", "Qualified", "0.4"),
        Stage("presentationscheduled", "Solution fit", "0.5"),
        Stage("decisionmakerboughtin", "Proposal", "0.7"),
        Stage("contractsent", "Negotiation", "0.9"),
        Stage("closedwon", "Closed won", "1.0", True),
        Stage("closedlost", "Closed lost", "0.0", True),
    ),
)
EXPANSION = Pipeline(
    "10873001",
    "Partner/Expansion",
    (
        Stage("1087300101", "Identified", "0.3"),
        Stage("1087300102", "Scoped", "0.5"),
        Stage("1087300103", "Quoted", "0.8"),
        Stage("1087300104", "Won", "1.0", True),
        Stage("1087300105", "Lost", "0.0", True),
    ),
)
LEAD_PIPELINE = Pipeline(
    "lead-pipeline-id",
    "Lead pipeline",
    (
        Stage("new-stage-id", "New", "0.0"),
        Stage("attempting-stage-id", "Attempting", "0.0"),
        Stage("connected-stage-id", "Connected", "0.0"),
        Stage("qualified-stage-id", "Qualified", "1.0", True),
        Stage("unqualified-stage-id", "Disqualified", "0.0", True),
    ),
)
PIPELINES = {"deals": (SALES, EXPANSION), "leads": (LEAD_PIPELINE,)}
DEAL_PIPELINES = {pipeline.id: pipeline for pipeline in PIPELINES["deals"]}
DEAL_STAGES = {stage.id: stage for pipeline in PIPELINES["deals"] for stage in pipeline.stages}

# (from, to) -> (plain type id, primary type id or None), both directions given
ASSOCIATION_TYPES: dict[tuple[str, str], tuple[int, int | None]] = {
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("deals", "contacts"): (3, None),
    ("contacts", "deals"): (4, None),
    ("deals", "companies"): (341, 5),
    ("companies", "deals"): (342, 6),
    ("deals", "line_items"): (19, None),
    ("line_items", "deals"): (20, None),
    ("leads", "contacts"): (608, 578),
    ("contacts", "leads"): (607, 577),
    ("leads", "companies"): (610, None),
    ("companies", "leads"): (609, None),
    ("leads", "deals"): (583, None),
    ("deals", "leads"): (584, None),
}
for _position, _name in enumerate(("calls", "emails", "meetings", "notes", "tasks")):
    _shift = 2 * _position + (2 if _name != "calls" else 0)
    for _target, _base in (("companies", 182), ("contacts", 194), ("deals", 206)):
        ASSOCIATION_TYPES[(_name, _target)] = (_base + _shift, None)
        ASSOCIATION_TYPES[(_target, _name)] = (_base + _shift - 1, None)
USER_LABELS = {37: "Decision maker", 39: "Champion", 41: "Billing contact"}
