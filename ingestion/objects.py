"""Which objects each source has, and which raw tables they fill. Data only: no HTTP, no SQL beyond names.

A new object is one line here; `landing.prepare` then makes its tables and staging can name them.
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks")


@dataclass(frozen=True)
class RawObject:
    """One object of one source. `links` are the objects that its records are associated with."""

    source: str
    name: str
    has_history: bool = False
    links: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return f"raw.{self.source}__{self.name}"

    @property
    def history_table(self) -> str:
        return f"raw.{self.source}__{self.name}_history"

    def link_table(self, target: str) -> str:
        return f"raw.{self.source}__{self.name}_{target}_links"


HUBSPOT = (
    RawObject("hubspot", "contacts", has_history=True, links=("companies",)),
    RawObject("hubspot", "companies", has_history=True),
    RawObject("hubspot", "deals", has_history=True, links=("contacts", "companies", "line_items")),
    RawObject("hubspot", "leads", has_history=True, links=("contacts", "companies", "deals")),
    *(RawObject("hubspot", name, links=("contacts", "companies", "deals")) for name in ACTIVITIES),
    RawObject("hubspot", "owners"),
    RawObject("hubspot", "pipelines"),
    RawObject("hubspot", "lead_pipelines"),
    RawObject("hubspot", "properties"),
    RawObject("hubspot", "line_items"),
    RawObject("hubspot", "account_info"),
)

SALESFORCE = (
    *(RawObject("salesforce", name, has_history=True) for name in ("opportunities", "accounts", "contacts", "leads")),
    *(
        RawObject("salesforce", name)
        for name in (
            *("line_items", "contact_roles", "tasks", "events", "email_messages", "campaigns", "campaign_members"),
            *("products", "users", "user_roles", "stages", "lead_statuses", "record_types", "sales_processes"),
            *("currencies", "conversion_rates", "organization", "fields"),
        )
    ),
)

PIPEDRIVE = (
    RawObject("pipedrive", "deals", has_history=True, links=("persons",)),
    *(
        RawObject("pipedrive", name)
        for name in (
            *("persons", "organizations", "activities", "leads", "notes", "deal_products", "products", "pipelines"),
            *("stages", "users", "teams", "deal_fields", "person_fields", "organization_fields", "activity_types"),
            "account_info",
        )
    ),
)

SPREADSHEETS = tuple(
    RawObject("spreadsheets", name)
    for name in (
        *("deals", "companies", "products", "owners", "activities", "targets", "contracts", "exchange_rates"),
        *("rulings", "firmographics", "technographics", "company_signals"),
    )
)

EXCHANGE_RATES = (RawObject("exchange_rates", "reference_rates"),)

REGISTRIES = (RawObject("registries", "norway"), RawObject("registries", "finland"))

ALL_OBJECTS = HUBSPOT + SALESFORCE + PIPEDRIVE + SPREADSHEETS + EXCHANGE_RATES + REGISTRIES


def find(source: str, name: str) -> RawObject:
    """The catalogue's entry; KeyError names what was asked for."""
    for entry in ALL_OBJECTS:
        if (entry.source, entry.name) == (source, name):
            return entry
    raise KeyError(f"no object {name!r} in source {source!r}")
