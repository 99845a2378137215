"""The whole configuration of a company: `salesops.toml`, checked. Secrets come from the environment only.

An unknown key or a wrong value ends in a ConfigError that names the key and the accepted values.
Reads no database and asks no source.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import tomllib
import types
import typing
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ingestion.objects import ALL_OBJECTS

TOKEN_VARIABLE = "HUBSPOT_ACCESS_TOKEN"
PIPEDRIVE_VARIABLE = "PIPEDRIVE_API_TOKEN"
SECRETS = (TOKEN_VARIABLE, PIPEDRIVE_VARIABLE, "SALESFORCE_CLIENT_SECRET", "SALESOPS_ALERT_URLS")
Crm = Literal["hubspot", "salesforce", "pipedrive"]
CRMS: tuple[Crm, ...] = typing.get_args(Crm)
REQUIRED_OBJECTS = {
    "hubspot": ("deals", "contacts", "companies", "owners", "pipelines"),
    "salesforce": ("opportunities", "accounts", "contacts", "users", "stages"),
    "pipedrive": ("deals", "persons", "organizations", "users", "pipelines", "stages"),
    "spreadsheets": (),
    "exchange_rates": (),
    "registries": (),
}

HubSpotObject = Literal["contacts", "companies", "deals", "leads", "calls", "emails", "meetings", "notes", "tasks"]
PipedriveObject = Literal["deals", "persons", "organizations", "activities", "leads", "notes"]
OnError = Literal["block", "flag"]
Phase = Literal["early", "qualified", "proposal", "negotiation"]
Positive = Annotated[float, Field(gt=0)]


if typing.TYPE_CHECKING:
    from ingestion.salesforce_client import Login


class ConfigError(Exception):
    """Configuration or credentials that a night cannot start with. The message is meant for the person."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a time of day in the company's zone, without a zone of its own, such as 08:00")
    return value


LocalTime = Annotated[time, AfterValidator(_without_zone)]


class BusinessHours(_Section):
    """Local time of day in which an answer can be expected, Monday to Friday."""

    start: LocalTime = time(8)
    end: LocalTime = time(17)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError("start must be before end, such as 08:00 and 17:00")
        return self


class Company(_Section):
    name: str = ""
    timezone: str = "Europe/Stockholm"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "SEK"
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "SE"
    fiscal_year_start_month: Annotated[int, Field(ge=1, le=12)] = 1
    business_hours: BusinessHours = BusinessHours()
    exclude_pipelines: list[str] = []
    internal_domains: list[str] = []
    exclude_deal_name_pattern: str = ""
    qualified_stage: dict[str, str] = {}
    stage_phases: dict[str, dict[str, Phase]] = {}
    deal_size_bands: list[Annotated[int, Field(gt=0)]] = [10_000, 50_000, 100_000, 500_000, 1_000_000]

    @field_validator("deal_size_bands")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if not value or value != sorted(set(value)):
            raise ValueError("give at least one limit, each higher than the one before")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"no such time zone {value!r}; write it as Area/City, such as Europe/Stockholm")
        return value

    @field_validator("exclude_deal_name_pattern")
    @classmethod
    def _plain_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


DealField = Literal[
    "next_step", "next_step_date", "competitor", "legal_date", "signed_date", "term_months", "loss_reason"
]
PropertyName = Annotated[str, Field(pattern="^[a-z0-9_]*$")]
DEAL_PROPERTIES: dict[DealField, str] = {
    "next_step": "hs_next_step",
    "next_step_date": "next_step_date",
    "competitor": "competitor",
    "legal_date": "legal_terms_date",
    "signed_date": "signed_date",
    "term_months": "contract_term_months",
    "loss_reason": "closed_lost_reason",
}


NUMBER_FIELDS: dict[str, str] = {
    "hubspot": "organisation_number",
    "salesforce": "Organisation_Number__c",
    "pipedrive": "Organisation number",
}


def _check_fields(given: Mapping[str, Mapping[str, str]], known: Mapping[str, Mapping[str, str]]) -> None:
    """ValueError where a CRM's own fields are given for an object or a field that we do not read."""
    for name, fields in given.items():
        if name not in known:
            raise ValueError(f"fields: no object {name!r}; accepted: {', '.join(known)}")
        if unknown := [field for field in fields if field not in known[name]]:
            raise ValueError(f"fields.{name}: no field {unknown[0]!r}; accepted: {', '.join(known[name])}")


class HubSpotSettings(_Section):
    enabled: bool = True
    base_url: str = "https://api.hubapi.com"
    id_scan: dict[HubSpotObject, Literal["nightly", "weekly"]] = {}
    extra_history: dict[HubSpotObject, list[str]] = {}
    deal_properties: dict[DealField, PropertyName] = {}

    @field_validator("base_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _checked_url(value, "https://api.hubapi.com")


# what a Salesforce org has of its own: object -> our field -> its API name there
SALESFORCE_FIELDS: dict[str, dict[str, str]] = {
    "opportunities": {
        "next_step": "NextStep", "next_step_date": "Next_Step_Date__c", "competitor": "Competitor__c",
        "legal_date": "Legal_Terms_Date__c", "signed_date": "Signed_Date__c", "term_months": "Contract_Term_Months__c",
        "loss_reason": "Loss_Reason__c", "campaign": "Campaign__c", "acv": "ACV__c",
    },
    "contacts": {
        "lifecycle_stage": "Lifecycle_Stage__c", "lead_status": "Lead_Status__c", "latest_source": "Latest_Source__c",
        "campaign": "Campaign__c",
    },
    "leads": {"disqualification_reason": "Disqualification_Reason__c", "campaign": "Campaign__c"},
    "events": {"outcome": "Meeting_Outcome__c"},
    "line_items": {
        "term_months": "Term_Months__c", "billing_frequency": "Billing_Frequency__c", "unit_cost": "Unit_Cost__c",
        "unit_discount": "Unit_Discount__c", "tcv": "TCV__c",
    },
}  # fmt: skip
# what a Pipedrive account calls its custom fields: object -> our field -> its name there
PIPEDRIVE_FIELDS: dict[str, dict[str, str]] = {
    "deals": {
        "forecast_category": "Forecast category", "lead_source": "Lead source", "campaign": "Campaign",
        "order_type": "Deal type", "competitor": "Competitor", "next_step": "Next step",
        "next_step_date": "Next step date", "legal_date": "Legal terms date", "signed_date": "Signed date",
        "term_months": "Contract term (months)",
    },
    "persons": {
        "lifecycle_stage": "Lifecycle stage", "lead_status": "Lead status", "first_source": "Lead source",
        "latest_source": "Latest source", "campaign": "Campaign", "country": "Country", "city": "City",
        "email_bounce": "Bounce reason", "role": "Buying role",
    },
    "organizations": {"industry": "Industry", "employees": "Employees", "revenue": "Annual revenue"},
}  # fmt: skip
ApiName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$|^$")]


class SalesforceSettings(_Section):
    """An org, read by a connected app: client credentials, or a signed assertion for `username`."""

    enabled: bool = True
    base_url: str = ""
    username: str = ""
    audience: str = "https://login.salesforce.com"
    api_version: Annotated[str, Field(pattern=r"^[0-9]{2}\.0$")] = "61.0"
    daily_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    bulk_above: Annotated[int, Field(gt=0)] = 50_000
    id_scan: dict[str, Literal["nightly", "weekly"]] = {}
    fields: dict[str, dict[str, ApiName]] = {}

    @field_validator("base_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _checked_url(value, "https://acme.my.salesforce.com")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not self.base_url:
            raise ValueError("base_url is missing: the org's own address, such as https://acme.my.salesforce.com")
        known = [entry.name for entry in ALL_OBJECTS if entry.source == "salesforce"]
        for name in self.id_scan:
            if name not in known:
                raise ValueError(f"id_scan: no object {name!r}; accepted: {', '.join(known)}")
        _check_fields(self.fields, SALESFORCE_FIELDS)
        return self

    @property
    def all_fields(self) -> dict[str, dict[str, str]]:
        """Object -> our field -> the org's, what the company gave before what is usual."""
        return {name: fields | self.fields.get(name, {}) for name, fields in SALESFORCE_FIELDS.items()}

    @property
    def record_url(self) -> str:
        """Where people open records: Lightning has an address of its own."""
        return self.base_url.replace(".my.salesforce.com", ".lightning.force.com")


class PipedriveSettings(_Section):
    enabled: bool = True
    base_url: str = "https://api.pipedrive.com"
    id_scan: dict[PipedriveObject, Literal["nightly", "weekly"]] = {}
    tokens_per_night: Annotated[int, Field(gt=0)] | None = None
    fields: dict[str, dict[str, Annotated[str, Field(max_length=255)]]] = {}

    @field_validator("base_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _checked_url(value, "https://example.pipedrive.com")

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        _check_fields(self.fields, PIPEDRIVE_FIELDS)
        return self

    @property
    def all_fields(self) -> dict[str, dict[str, str]]:
        """Object -> our field -> the account's name of it, what the company gave before what is usual."""
        return {name: fields | self.fields.get(name, {}) for name, fields in PIPEDRIVE_FIELDS.items()}


class SpreadsheetSettings(_Section):
    enabled: bool = True
    folder: Path | None = None
    mappings: list[Path] = []


class ExchangeRateSettings(_Section):
    """Reference rates of the European Central Bank: public, no account."""

    enabled: bool = True
    base_url: str = "https://www.ecb.europa.eu/stats/eurofxref"

    @field_validator("base_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _checked_url(value, "https://www.ecb.europa.eu/stats/eurofxref")


class RegistrySettings(_Section):
    """The company registers of Norway and Finland: public, no account. `number_fields`: CRM -> its field."""

    enabled: bool = True
    norway_url: str = "https://data.brreg.no/enhetsregisteret/api"
    finland_url: str = "https://avoindata.prh.fi/opendata-ytj-api/v3"
    refresh_days: Annotated[int, Field(ge=1, le=365)] = 30
    lookups_per_night: Annotated[int, Field(ge=1, le=20_000)] = 1_000
    number_fields: dict[Literal["hubspot", "salesforce", "pipedrive"], str] = {}

    @field_validator("norway_url", "finland_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _checked_url(value, "https://data.brreg.no/enhetsregisteret/api")

    @field_validator("number_fields")
    @classmethod
    def _field_names(cls, value: dict[str, str]) -> dict[str, str]:
        for crm, name in value.items():  # Pipedrive's is a label, in anybody's words; it may also be the field's key
            if not re.fullmatch(r"[^\"\\]{1,255}" if crm == "pipedrive" else "[A-Za-z0-9_]+", name):
                raise ValueError(f"{crm}: {name!r} is no name of a field")
        return value

    @property
    def fields(self) -> dict[str, str]:
        """Every CRM with the field that holds the organisation number."""
        return NUMBER_FIELDS | {str(crm): name for crm, name in self.number_fields.items()}


class Sources(_Section):
    """A table that is present is enabled unless it says otherwise; one that is absent is not asked."""

    hubspot: HubSpotSettings = HubSpotSettings(enabled=False)
    salesforce: SalesforceSettings = SalesforceSettings(enabled=False)
    pipedrive: PipedriveSettings = PipedriveSettings(enabled=False)
    spreadsheets: SpreadsheetSettings = SpreadsheetSettings(enabled=False)
    exchange_rates: ExchangeRateSettings = ExchangeRateSettings(enabled=False)
    registries: RegistrySettings = RegistrySettings(enabled=False)


class FreshnessRule(_Section):
    """Ages after which a source object warns or fails. Hours since the last extraction; business hours of events."""

    warn_hours: Positive | None = None
    error_hours: Positive | None = None
    event_warn_business_hours: Positive | None = None
    event_error_business_hours: Positive | None = None
    on_error: OnError | None = None


class DuplicatesRule(_Section):
    """How much may be new since the accepted baseline before the gate refuses."""

    max_new_groups: Annotated[int, Field(ge=0)] | None = None
    max_new_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    max_new_shared_emails: Annotated[int, Field(ge=0)] | None = None
    warn_duplicate_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    warn_waiting_pairs: Annotated[int, Field(ge=0)] | None = None
    on_error: OnError | None = None


FRESHNESS_DEFAULTS = FreshnessRule(warn_hours=26, error_hours=50, on_error="block")
DUPLICATES_DEFAULTS = DuplicatesRule(
    max_new_groups=10,
    max_new_rate=0.001,
    max_new_shared_emails=0,
    warn_duplicate_rate=0.1,
    warn_waiting_pairs=200,
    on_error="block",
)
# A bank day has 24 hours here. What a stale rate cannot convert is NULL and listed: no reason to keep the rest back.
OBJECT_DEFAULTS = {
    ("exchange_rates", "reference_rates"): FreshnessRule(
        warn_hours=50, error_hours=122, event_warn_business_hours=48, event_error_business_hours=120, on_error="flag"
    ),
    # a register is a week or three behind long before anybody decides on it
    ("registries", "norway"): FreshnessRule(warn_hours=216, error_hours=504, on_error="flag"),
    ("registries", "finland"): FreshnessRule(warn_hours=216, error_hours=504, on_error="flag"),
}
# Newest event: a working week without one deal, call or contact touched is a broken integration, not a holiday.
EVENT_DEFAULTS = {
    ("hubspot", "deals"): (27.0, 45.0),
    ("hubspot", "contacts"): (27.0, 45.0),
    ("salesforce", "opportunities"): (27.0, 45.0),
    ("salesforce", "contacts"): (27.0, 45.0),
    ("pipedrive", "deals"): (27.0, 45.0),
    ("pipedrive", "persons"): (27.0, 45.0),
}


class Freshness(FreshnessRule):
    """Thresholds for every object but rates and registers; `[freshness.<source>.<object>]` overrides them."""

    hubspot: dict[str, FreshnessRule] = {}
    salesforce: dict[str, FreshnessRule] = {}
    pipedrive: dict[str, FreshnessRule] = {}
    spreadsheets: dict[str, FreshnessRule] = {}
    exchange_rates: dict[str, FreshnessRule] = {}
    registries: dict[str, FreshnessRule] = {}

    @model_validator(mode="after")
    def _known_objects(self) -> Self:
        return _check_objects(self)

    def rule(self, source: str, name: str) -> FreshnessRule:
        own = OBJECT_DEFAULTS.get((source, name))
        rule = _override(FRESHNESS_DEFAULTS, self, own, getattr(self, source).get(name))
        warn, error = EVENT_DEFAULTS.get((source, name), (None, None))
        return rule.model_copy(
            update={
                "event_warn_business_hours": rule.event_warn_business_hours or warn,
                "event_error_business_hours": rule.event_error_business_hours or error,
            }
        )


class Duplicates(DuplicatesRule):
    """The rule of the duplicate gate; `[duplicates.<source>.<object>]` overrides it."""

    hubspot: dict[str, DuplicatesRule] = {}
    salesforce: dict[str, DuplicatesRule] = {}
    pipedrive: dict[str, DuplicatesRule] = {}
    spreadsheets: dict[str, DuplicatesRule] = {}

    @model_validator(mode="after")
    def _known_objects(self) -> Self:
        return _check_objects(self)

    def rule(self, source: str, name: str) -> DuplicatesRule:
        return _override(DUPLICATES_DEFAULTS, self, getattr(self, source).get(name))


class Leads(_Section):
    response_sla_minutes: Annotated[int, Field(gt=0)] = 60


class Contracts(_Section):
    """Where contracts come from beside the contract sheet."""

    from_line_items: bool = False


class Practice(_Section):
    """The invented company that is used while no source is enabled."""

    size: Literal["small", "default", "large"] = "default"
    seed: int = 7
    crms: Annotated[list[Crm], Field(min_length=1)] = ["hubspot"]


CompanyField = Literal[
    "domain", "industry", "employees", "revenue", "country", "city",
    "legal_id", "industry_code", "status", "parent", "founded_date",
]  # fmt: skip
UNREAD_FIELDS = ("industry_code", "status", "parent", "founded_date")  # no CRM's are read: seen when they are written
WRITTEN_FIELDS: dict[str, dict[CompanyField, str]] = {
    "hubspot": {
        "domain": "domain", "industry": "industry", "employees": "numberofemployees", "revenue": "annualrevenue",
        "country": "country", "city": "city",
    },
    "salesforce": {
        "domain": "Website", "industry": "Industry", "employees": "NumberOfEmployees", "revenue": "AnnualRevenue",
        "country": "BillingCountry", "city": "BillingCity",
    },
    "pipedrive": {
        "domain": "Website", "industry": "Industry", "employees": "Employees", "revenue": "Annual revenue",
    },
}  # fmt: skip


class HubSpotWriteback(_Section):
    """Our company field -> the portal's property ("": not written); the mark says where values are from."""

    company_fields: dict[CompanyField, PropertyName] = {}
    mark_property: Annotated[str, Field(pattern="^[a-z0-9_]+$")] = "salesops_enrichment"


class SalesforceWriteback(_Section):
    """The same of an org's accounts. The mark is a field of its own: Description and the like are people's."""

    company_fields: dict[CompanyField, ApiName] = {}
    mark_property: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*__c$")] = "Enriched_From__c"


class PipedriveWriteback(_Section):
    """The same of an account's organizations, whose fields are known by their names."""

    company_fields: dict[CompanyField, Annotated[str, Field(max_length=255)]] = {}
    mark_property: Annotated[str, Field(min_length=1, max_length=255)] = "Enriched from"


class Writeback(_Section):
    """Off: nothing outside is ever written to."""

    enabled: bool = False
    hubspot: HubSpotWriteback = HubSpotWriteback()
    salesforce: SalesforceWriteback = SalesforceWriteback()
    pipedrive: PipedriveWriteback = PipedriveWriteback()

    def properties(self, crm: str) -> dict[str, str]:
        """Our field -> the CRM's, of the fields that are written there."""
        if crm not in WRITTEN_FIELDS:
            return {}
        fields = {**WRITTEN_FIELDS[crm], **getattr(self, crm).company_fields}
        return {str(name): target for name, target in fields.items() if target}

    def mark(self, crm: str) -> str:
        """The CRM's field that says where values are from."""
        return str(getattr(self, crm).mark_property)

    @property
    def unread_fields(self) -> dict[str, list[str]]:
        """CRM -> what is written there and read by no model: whether it is empty is known when it is written."""
        return {crm: [name for name in UNREAD_FIELDS if name in self.properties(crm)] for crm in WRITTEN_FIELDS}


AlertKind = Literal["failed_night", "missing_night", "failed_check", "stale_source", "signal"]


class Alerts(_Section):
    """Messages to people. Off: nobody is told. Receivers are secrets and come from the environment."""

    enabled: bool = False
    kinds: list[AlertKind] = list(typing.get_args(AlertKind))
    quiet_from: LocalTime | None = None  # local time; both or neither
    quiet_to: LocalTime | None = None
    link: str = ""  # where a reader finds the marts or the run, at the end of each message

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet_from and quiet_to go together, such as 22:00 and 07:00")
        return self


class Brief(_Section):
    """The Monday brief that each night leaves beside its publication."""

    enabled: bool = True
    languages: Annotated[list[Literal["sv", "en"]], Field(min_length=1)] = ["sv", "en"]
    pdf: bool = True  # where there is a Chromium


class Sharing(_Section):
    """The published marts a second time, without personal data of customers, for wide sharing."""

    folder: Path | None = None  # None: they are not written


class Retention(_Section):
    """How long what is no longer current is kept."""

    publications: Annotated[int, Field(ge=1)] = 3  # earlier ones, beside the present one
    raw_versions_days: Annotated[int, Field(ge=30)] | None = None  # None: every version of every record
    runs_days: Annotated[int, Field(ge=7)] = 90  # Dagster's history of runs


class Settings(_Section):
    company: Company = Company()
    sources: Sources = Sources()
    freshness: Freshness = Field(default_factory=Freshness)
    duplicates: Duplicates = Field(default_factory=Duplicates)
    leads: Leads = Leads()
    contracts: Contracts = Contracts()
    writeback: Writeback = Writeback()
    alerts: Alerts = Alerts()
    brief: Brief = Brief()
    retention: Retention = Retention()
    sharing: Sharing = Sharing()
    practice: Practice = Practice()

    @property
    def company_name(self) -> str:
        """What readers see: a real company that gave no name must not pass for the practice one."""
        return self.company.name or ("Practice company" if self.is_practice else "Your company")

    @property
    def is_practice(self) -> bool:
        return not any(getattr(self.sources, source).enabled for source in (*CRMS, "spreadsheets"))

    def is_enabled(self, source: str) -> bool:
        """The practice company has its CRM, sheets of contracts and targets, its bank's rates and its registers."""
        others = ("spreadsheets", "exchange_rates", "registries")
        is_practised = self.is_practice and source in (*self.practice.crms, *others)
        return is_practised or getattr(self.sources, source).enabled

    def object_rows(self) -> list[dict[str, Any]]:
        """One row of raw.settings_objects for each known object of each source."""
        rows = []
        for entry in ALL_OBJECTS:
            rule = self.freshness.rule(entry.source, entry.name)
            required = entry.name in REQUIRED_OBJECTS[entry.source]
            enabled = self.is_enabled(entry.source)
            rows.append(
                {"source": entry.source, "object": entry.name, "is_enabled": enabled, "is_required": required}
                | rule.model_dump(include=set(FreshnessRule.model_fields))
            )
        return rows


def load(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Settings:
    """The settings of `SALESOPS_CONFIG`, else of salesops.toml in `folder` (default: here), else the defaults.

    Paths in the file are taken from the file's own folder. Raises ConfigError.
    """
    named = environ.get("SALESOPS_CONFIG")
    path = Path(named) if named else (folder or Path.cwd()) / "salesops.toml"
    if not path.exists():
        if named:
            raise ConfigError(f"SALESOPS_CONFIG names {path}, and there is no such file")
        return Settings()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not readable as TOML: {error}") from error
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in _explain(error))) from None
    return _with_absolute_paths(settings, path.resolve().parent)


def without_secrets(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a child that asks no CRM and tells nobody: a browser, the practice company, git."""
    return {name: value for name, value in environ.items() if name not in SECRETS}


def hubspot_token(environ: Mapping[str, str] = os.environ) -> str:
    """The secret. Raises ConfigError with the variable's name when it is missing."""
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise ConfigError(
            f"HubSpot is enabled and {TOKEN_VARIABLE} is not set. "
            f"Create a private app in HubSpot and export {TOKEN_VARIABLE}=<its access token>."
        )
    return token


def pipedrive_token(environ: Mapping[str, str] = os.environ) -> str:
    """The secret. Raises ConfigError with the variable's name when it is missing."""
    token = environ.get(PIPEDRIVE_VARIABLE, "").strip()
    if not token:
        raise ConfigError(
            f"Pipedrive is enabled and {PIPEDRIVE_VARIABLE} is not set. Copy the API token of an admin user "
            f"(personal preferences, API) and export {PIPEDRIVE_VARIABLE}=<that token>."
        )
    return token


def salesforce_login(settings: SalesforceSettings, environ: Mapping[str, str] = os.environ) -> Login:
    """Who reads the org. Raises ConfigError with the variable's name when a part is missing."""
    from ingestion.salesforce_client import CLIENT_ID, CLIENT_SECRET, PRIVATE_KEY, Login

    given = {name: environ.get(name, "").strip() for name in (CLIENT_ID, CLIENT_SECRET, PRIVATE_KEY)}
    needed = CLIENT_SECRET if not settings.username else PRIVATE_KEY
    for name in (CLIENT_ID, needed):
        if not given[name]:
            raise ConfigError(f"Salesforce is enabled and {name} is not set (see the table in README.md)")
    if not settings.username:
        return Login(given[CLIENT_ID], given[CLIENT_SECRET])
    key = secret_file(PRIVATE_KEY, given[PRIVATE_KEY])
    return Login(given[CLIENT_ID], private_key=key, username=settings.username, audience=settings.audience)


def secret_file(variable: str, name: str) -> str:
    """The contents of the file that `variable` names. Raises ConfigError where others can read it, or nobody can."""
    path = Path(name)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{variable}: others can read {path}; chmod 600 it")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable} names a file that cannot be read: {type(error).__name__}") from None


def data_directory(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("SALESOPS_DATA") or "data").resolve()


def _checked_url(value: str, example: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"accepted: an address such as {example}")
    if parts.username or parts.password:
        raise ValueError("must not hold credentials")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("plain http is accepted for loopback addresses only; use https")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _override(default: Any, *rules: Any) -> Any:
    """`default` with every value that a later rule sets."""
    changes: dict[str, Any] = {}
    for rule in rules:
        if rule is not None:
            changes |= {k: v for k in type(default).model_fields if (v := getattr(rule, k)) is not None}
    return default.model_copy(update=changes)


def _check_objects(section: Any) -> Any:
    for source in REQUIRED_OBJECTS:
        known = [entry.name for entry in ALL_OBJECTS if entry.source == source]
        for name in getattr(section, source, ()):
            if name not in known:
                raise ValueError(f"no object {name!r} in source {source}; accepted: {', '.join(known)}")
    return section


def _explain(error: ValidationError) -> list[str]:
    """One line for each problem: the key as it is written in the file, and what would be accepted."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "the file"
        if problem["type"] == "extra_forbidden":
            accepted = ", ".join(_accepted_keys(problem["loc"][:-1]))
            lines.append(f"unknown key `{key}`; accepted here: {accepted}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            got = "" if "credentials" in message else f" (got {problem['input']!r})"
            lines.append(f"`{key}`: {message}{got}")
    return lines


def _accepted_keys(loc: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = _plain_type(model.model_fields[str(part)].annotation)
        else:  # a dict of sections: the key names an object
            model = _plain_type(typing.get_args(model)[1])
    return list(model.model_fields)


def _plain_type(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not types.NoneType)
    return annotation


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    sheets = settings.sources.spreadsheets
    absolute = sheets.model_copy(
        update={
            "folder": folder / sheets.folder if sheets.folder else None,
            "mappings": [folder / mapping for mapping in sheets.mappings],
        }
    )
    sources = settings.sources.model_copy(update={"spreadsheets": absolute})
    shared = settings.sharing.folder
    sharing = settings.sharing.model_copy(update={"folder": folder / shared if shared else None})
    return settings.model_copy(update={"sources": sources, "sharing": sharing})
