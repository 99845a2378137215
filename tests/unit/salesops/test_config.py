"""Configuration: what a wrong file is told, and what a right one means."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from salesops import config
from salesops.config import ConfigError

EXAMPLE = Path(__file__).parents[3] / "salesops.example.toml"


def load(tmp_path: Path, text: str) -> config.Settings:
    path = tmp_path / "salesops.toml"
    path.write_text(text)
    return config.load({"SALESOPS_CONFIG": str(path)})


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_without_a_file_the_practice_company_is_used(tmp_path):
    settings = config.load({}, tmp_path)
    assert settings.is_practice and settings.is_enabled("hubspot") and settings.is_enabled("spreadsheets")


def test_a_named_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config.load({"SALESOPS_CONFIG": str(tmp_path / "absent.toml")})


def test_the_example_shows_the_defaults():
    settings = config.load({"SALESOPS_CONFIG": str(EXAMPLE)})
    assert settings.sources.hubspot.enabled and not settings.sources.spreadsheets.enabled
    assert settings.company == config.Company(name="Example AB")
    assert settings.leads == config.Leads() and settings.practice == config.Practice()
    assert settings.sources.exchange_rates == config.ExchangeRateSettings(enabled=False)
    assert settings.sources.registries == config.RegistrySettings(enabled=False)
    for entry in (
        ("hubspot", "deals"),
        ("hubspot", "calls"),
        ("spreadsheets", "targets"),
        ("exchange_rates", "reference_rates"),
        ("registries", "norway"),
    ):
        assert settings.freshness.rule(*entry) == config.Freshness().rule(*entry)
    assert settings.duplicates.rule("hubspot", "contacts") == config.DUPLICATES_DEFAULTS


def test_the_example_names_every_key():
    """A key that nobody can read about does not exist. Commented lines count: they show what may be written."""
    text = EXAMPLE.read_text()
    for name, field in config.Settings.model_fields.items():
        section = field.annotation
        assert f"[{name}" in text, name
        for key in section.model_fields:
            assert key in text, f"{name}.{key}"
    assert tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "key", "accepted"),
    [
        ("[company]\nnmae = 'x'", "company.nmae", "timezone"),
        ("[compny]\nname = 'x'", "compny", "company"),
        ("[sources.hubspot]\ntoken = 'x'", "sources.hubspot.token", "base_url"),
        ("[freshness.hubspot.deals]\nwarn = 1", "freshness.hubspot.deals.warn", "warn_hours"),
        ("[freshness.hubspot.dels]\nwarn_hours = 1", "dels", "deals"),
        ("[company]\ntimezone = 'Stockholm'", "company.timezone", "Europe/Stockholm"),
        ("[company.stage_phases.Sales]\nOffer = 'propsal'", "company.stage_phases.Sales.Offer", "'negotiation'"),
        ("[company]\ncurrency = 'kronor'", "company.currency", "[A-Z]{3}"),
        ("[company]\nfiscal_year_start_month = 13", "company.fiscal_year_start_month", "12"),
        ("[company.business_hours]\nstart = '18:00'", "business_hours", "before end"),
        ("[company.business_hours]\nstart = '08:00:00Z'", "business_hours.start", "without a zone"),
        ("[alerts]\nquiet_from = '22:00+01:00'\nquiet_to = '07:00'", "alerts.quiet_from", "without a zone"),
        ("[company]\nexclude_deal_name_pattern = '('", "exclude_deal_name_pattern", "regular expression"),
        ("[freshness]\non_error = 'warn'", "freshness.on_error", "'flag'"),
        ("[freshness]\nwarn_hours = 0", "freshness.warn_hours", "greater than 0"),
        ("[sources.hubspot]\nbase_url = 'http://api.hubapi.com'", "base_url", "loopback"),
        ("[sources.hubspot]\nbase_url = 'https://me:secret@x.y'", "base_url", "credentials"),
        ("[sources.exchange_rates]\nbase_url = 'http://www.ecb.europa.eu'", "base_url", "loopback"),
        ("[sources.exchange_rates]\nkey = 'x'", "sources.exchange_rates.key", "base_url"),
        ("[freshness.exchange_rates.rates]\nwarn_hours = 1", "rates", "reference_rates"),
        ("[practice]\nsize = 'huge'", "practice.size", "'small'"),
        ("[practice]\ncrms = ['pipdrive']", "practice.crms", "'pipedrive'"),
        (
            "[sources.pipedrive]\nfields = { contacts = {} }",
            "sources.pipedrive",
            "accepted: deals, persons, organizations",
        ),
        ("[sources.pipedrive]\nfields = { deals = { next = 'Next' } }", "no field 'next'", "next_step"),
        ("[sources.pipedrive]\ntokens_per_night = 0", "sources.pipedrive.tokens_per_night", "greater than 0"),
        ("[freshness.pipedrive.contacts]\nwarn_hours = 1", "contacts", "persons"),
    ],
)
def test_a_wrong_value_names_the_key_and_what_is_accepted(tmp_path, text, key, accepted):
    message = refused(tmp_path, text)
    assert key in message and accepted in message


def test_a_file_that_is_no_toml_is_explained(tmp_path):
    assert "not readable as TOML" in refused(tmp_path, "company = [")


def test_an_object_takes_the_nearest_threshold(tmp_path):
    text = "[freshness]\nerror_hours = 60\non_error = 'flag'\n[freshness.hubspot.calls]\nerror_hours = 80"
    freshness = load(tmp_path, text).freshness
    assert freshness.rule("hubspot", "calls").error_hours == 80
    assert freshness.rule("hubspot", "calls").on_error == "flag"
    assert freshness.rule("hubspot", "notes").error_hours == 60
    assert freshness.rule("hubspot", "notes").warn_hours == 26


def test_event_thresholds_of_deals_can_be_changed(tmp_path):
    text = "[freshness.hubspot.deals]\nevent_error_business_hours = 90"
    rule = load(tmp_path, text).freshness.rule("hubspot", "deals")
    assert (rule.event_warn_business_hours, rule.event_error_business_hours) == (27, 90)


def test_a_gate_blocks_unless_the_company_chose_to_flag(tmp_path):
    settings = load(tmp_path, "")
    assert settings.freshness.rule("hubspot", "deals").on_error == "block"
    assert settings.duplicates.rule("hubspot", "contacts").on_error == "block"


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path):
    settings = load(tmp_path, "[sources.spreadsheets]\nfolder = 'drop'\nmappings = ['maps/deals.toml']")
    assert settings.sources.spreadsheets.folder == tmp_path / "drop"
    assert settings.sources.spreadsheets.mappings == [tmp_path / "maps" / "deals.toml"]
    assert not settings.is_practice and not settings.is_enabled("hubspot")


def test_a_missing_token_names_the_variable():
    with pytest.raises(ConfigError, match="HUBSPOT_ACCESS_TOKEN"):
        config.hubspot_token({"HUBSPOT_ACCESS_TOKEN": "  "})


ORG = "[sources.hubspot]\n[sources.salesforce]\nbase_url = 'https://acme.my.salesforce.com'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sources.salesforce]", "own address"),
        ("[sources.salesforce]\nbase_url = 'http://acme.my.salesforce.com'", "loopback"),
        (ORG + "daily_share = 1.5", "daily_share"),
        (ORG + "id_scan = { deals = 'weekly' }", "no object 'deals'"),
        (ORG + "fields = { deals = { acv = 'X__c' } }", "no object 'deals'; accepted: opportunities"),
        (ORG + "fields = { events = { result = 'X__c' } }", "no field 'result'; accepted: outcome"),
        (ORG + "fields = { events = { outcome = 'X c' } }", "fields.events.outcome"),
    ],
)
def test_a_wrong_org_says_what_would_be_right(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, text)


def test_an_org_may_be_the_only_source_and_has_fields_of_its_own(tmp_path):
    org = load(
        tmp_path, ORG.replace("[sources.hubspot]\n", "") + "fields = { events = { outcome = 'Held__c' } }"
    ).sources.salesforce
    assert (
        org.all_fields["events"] == {"outcome": "Held__c"} and org.all_fields["contacts"]["campaign"] == "Campaign__c"
    )
    assert org.record_url == "https://acme.lightning.force.com"


def test_the_models_and_the_configuration_agree_on_the_fields_of_a_crm():
    project = yaml.safe_load((EXAMPLE.parent / "dbt" / "dbt_project.yml").read_text())
    assert project["vars"]["salesforce_fields"] == config.SALESFORCE_FIELDS
    assert project["vars"]["pipedrive_fields"] == config.PIPEDRIVE_FIELDS


def test_an_account_may_be_the_only_source_and_names_its_fields_as_it_likes(tmp_path):
    account = load(tmp_path, "[sources.pipedrive]\nfields = { deals = { campaign = 'Kampanj' } }").sources.pipedrive
    assert account.all_fields["deals"]["campaign"] == "Kampanj"
    assert account.all_fields["persons"] == config.PIPEDRIVE_FIELDS["persons"]


def test_an_orgs_missing_secret_names_the_variable(tmp_path):
    org = load(tmp_path, ORG).sources.salesforce
    with pytest.raises(ConfigError, match="SALESFORCE_CLIENT_SECRET"):
        config.salesforce_login(org, {"SALESFORCE_CLIENT_ID": "key"})
    login = config.salesforce_login(org, {"SALESFORCE_CLIENT_ID": "key", "SALESFORCE_CLIENT_SECRET": "hidden"})
    assert login.client_secret == "hidden" and "hidden" not in repr(login)
    signed = load(tmp_path, ORG + "username = 'reader@example.com'").sources.salesforce
    given = {"SALESFORCE_CLIENT_ID": "key", "SALESFORCE_PRIVATE_KEY_FILE": str(tmp_path / "no.pem")}
    with pytest.raises(ConfigError, match="SALESFORCE_PRIVATE_KEY_FILE"):
        config.salesforce_login(signed, given)
    key = tmp_path / "no.pem"
    key.write_text("hidden")
    key.chmod(0o640)
    with pytest.raises(ConfigError, match=r"others can read .*; chmod 600 it"):
        config.salesforce_login(signed, given)
    key.chmod(0o600)
    assert config.salesforce_login(signed, given).private_key == "hidden"


def test_credentials_in_an_address_are_refused_and_not_shown(tmp_path):
    with pytest.raises(ConfigError, match="must not hold credentials") as caught:
        load(tmp_path, "[sources.hubspot]\nbase_url = 'https://me:hunter2@api.hubapi.com'")
    assert "hunter2" not in str(caught.value)


def test_every_object_has_its_settings_row(tmp_path):
    rows = load(tmp_path, "[sources.hubspot]").object_rows()
    by_name = {(row["source"], row["object"]): row for row in rows}
    assert by_name["hubspot", "deals"]["is_enabled"] and by_name["hubspot", "deals"]["is_required"]
    assert not by_name["hubspot", "leads"]["is_required"]
    assert not by_name["spreadsheets", "deals"]["is_enabled"]
    assert all(row["warn_hours"] and row["error_hours"] and row["on_error"] for row in rows)


def test_rates_are_asked_only_where_they_are_configured_and_at_the_practice_company(tmp_path):
    assert config.Settings().is_enabled("exchange_rates")
    assert not load(tmp_path, "[sources.hubspot]").is_enabled("exchange_rates")
    assert not load(tmp_path, "[sources.hubspot]\n[sources.exchange_rates]\nenabled = false").is_enabled(
        "exchange_rates"
    )
    both = load(tmp_path, "[sources.hubspot]\n[sources.exchange_rates]")
    assert both.is_enabled("exchange_rates") and not both.is_practice
    assert both.sources.exchange_rates.base_url == "https://www.ecb.europa.eu/stats/eurofxref"
    assert load(tmp_path, "[sources.exchange_rates]").is_practice, "rates alone are no company"


def test_rates_have_thresholds_of_their_own(tmp_path):
    """Hours that fit a CRM would call every weekend an outage; and stale rates are said, not held against the rest."""
    general = load(tmp_path, "[freshness]\nwarn_hours = 26\nerror_hours = 50\non_error = 'block'")
    rule = general.freshness.rule("exchange_rates", "reference_rates")
    assert (rule.event_warn_business_hours, rule.event_error_business_hours) == (48, 120)
    assert (rule.error_hours, rule.on_error) == (122, "flag")
    own = load(tmp_path, "[freshness.exchange_rates.reference_rates]\non_error = 'block'\nerror_hours = 60")
    rule = own.freshness.rule("exchange_rates", "reference_rates")
    assert (rule.error_hours, rule.on_error, rule.event_error_business_hours) == (60, "block", 120)


def test_a_company_names_its_own_properties_for_the_rules_and_keeps_the_other_defaults(tmp_path):
    table = "[sources.hubspot]\ndeal_properties = "
    named = load(tmp_path, table + '{ signed_date = "contract_signed", legal_date = "" }\n')
    properties = config.DEAL_PROPERTIES | named.sources.hubspot.deal_properties
    assert properties["signed_date"] == "contract_signed" and properties["legal_date"] == ""
    assert properties["next_step"] == "hs_next_step"
    assert "deal_properties" in refused(tmp_path, table + '{ signature = "x" }\n')
    assert "deal_properties" in refused(tmp_path, table + "{ signed_date = \"x', 'y\" }\n")


def test_a_missing_pipedrive_token_names_its_variable():
    with pytest.raises(config.ConfigError, match="PIPEDRIVE_API_TOKEN"):
        config.pipedrive_token({"PIPEDRIVE_API_TOKEN": "  "})
    assert config.pipedrive_token({"PIPEDRIVE_API_TOKEN": " abc "}) == "abc"
