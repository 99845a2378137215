"""What the practice org's administrator set up: stages, record types, lead statuses, roles, products, currencies.

Never changed by the practice company. Also the two translations that rows and set-up share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.catalogue import DEAL_STAGES, LEAD_PIPELINE, PIPELINES, Stage
from sandbox.names import CAMPAIGNS, PRODUCTS
from sandbox.people import TEAMS
from sandbox.servers.salesforce_fields import org_id
from sandbox.store import Value
from sandbox.world import World

Row = dict[str, Any]
SETUP_AT = 1_565_059_268_000
FORECASTS = {
    "PIPELINE": ("Pipeline", "Pipeline"), "BEST_CASE": ("BestCase", "Best Case"), "COMMIT": ("Forecast", "Commit"),
    "CLOSED": ("Closed", "Closed"), "OMIT": ("Omitted", "Omitted"),
}  # fmt: skip
CURRENCIES = {"SEK": 1.0, "EUR": 0.0885, "NOK": 1.0235, "DKK": 0.6604}


def number(text: Value) -> Any:
    """A typed number; what is none cannot be held by the org."""
    try:
        return float(text or "")
    except ValueError:
        return None


def lead_status(stage_id: Value) -> str | None:
    return next((stage.label for stage in LEAD_PIPELINE.stages if stage.id == stage_id), stage_id)


def record_type(pipeline_id: Value) -> str | None:
    """The record type that stands for a pipeline."""
    places = [place for place, pipeline in enumerate(PIPELINES["deals"]) if pipeline.id == pipeline_id]
    return org_id("RecordType", 100 + places[0]) if places else None


def stages_of(record_type_id: str) -> tuple[Stage, ...]:
    """The sales process of a record type; the master record type has every stage."""
    for pipeline in PIPELINES["deals"]:
        if record_type(pipeline.id) == record_type_id:
            return pipeline.stages
    return tuple(DEAL_STAGES.values())


def category_of(stage: Stage) -> tuple[str, str]:
    if stage.is_closed:
        return FORECASTS["CLOSED" if stage.is_won else "OMIT"]
    return FORECASTS["PIPELINE" if float(stage.probability) < 0.6 else "BEST_CASE"]


def _stage_rows(world: World) -> Iterator[Row]:
    for place, stage in enumerate(DEAL_STAGES.values()):
        category = category_of(stage)
        yield {
            "MasterLabel": stage.label, "ApiName": stage.label, "SortOrder": place + 1, "IsActive": True,
            "IsClosed": stage.is_closed, "IsWon": stage.is_won, "DefaultProbability": 100 * float(stage.probability),
            "ForecastCategory": category[0], "ForecastCategoryName": category[1],
        }  # fmt: skip


def _status_rows(world: World) -> Iterator[Row]:
    for place, stage in enumerate(LEAD_PIPELINE.stages):
        yield {"MasterLabel": stage.label, "ApiName": stage.label, "SortOrder": place + 1, "IsDefault": place == 0,
               "IsConverted": stage.is_won}  # fmt: skip


def _product_rows(world: World) -> Iterator[Row]:
    for place, (name, _) in enumerate([*PRODUCTS, ("Onboarding", 0)]):
        key = 5_099 if name == "Onboarding" else 5_000 + place
        yield {"Id": org_id("Product2", key), "Name": name, "ProductCode": f"P{key}", "IsActive": True}


def _currency_rows(world: World) -> Iterator[Row]:
    for code, rate in CURRENCIES.items():
        yield {
            "IsoCode": code,
            "ConversionRate": rate,
            "DecimalPlaces": 2,
            "IsActive": True,
            "IsCorporate": code == "SEK",
        }


def _rate_rows(world: World) -> Iterator[Row]:
    for code, rate in CURRENCIES.items():
        yield {"IsoCode": code, "StartDate": "2020-01-01", "NextStartDate": "9999-12-31", "ConversionRate": rate}


def _organization_rows(world: World) -> Iterator[Row]:
    yield {
        "Name": "Practice company", "DefaultLocaleSidKey": "sv_SE", "TimeZoneSidKey": world.zone,
        "DefaultCurrencyIsoCode": "SEK", "InstanceName": "EUR1", "IsSandbox": False,
    }  # fmt: skip


SETUP_ROWS: dict[str, Callable[[World], Iterator[Row]]] = {
    "OpportunityStage": _stage_rows,
    "LeadStatus": _status_rows,
    "Product2": _product_rows,
    "CurrencyType": _currency_rows,
    "DatedConversionRate": _rate_rows,
    "Organization": _organization_rows,
    "UserRole": lambda world: ({"Id": org_id("UserRole", int(key)), "Name": name} for key, name in TEAMS),
    "RecordType": lambda world: (
        {"Id": record_type(one.id), "Name": one.label, "SobjectType": "Opportunity", "IsActive": True}
        | {"DeveloperName": one.label.replace("/", "_")}
        for one in PIPELINES["deals"]
    ),
    "Campaign": lambda world: (
        {"Name": name, "IsActive": True, "Type": "Other"} for name in dict.fromkeys(filter(None, CAMPAIGNS.values()))
    ),
    "CampaignMember": lambda world: iter(()),
}
