"""The gates: one step that looks at what was built and says whether people may have it.

Every check here hangs on a published model, so that `publish`, which depends on each of them, waits for it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from dagster_project.resources import night_of
from ingestion.objects import ALL_OBJECTS, RawObject
from salesops import duplicates, freshness
from salesops.config import DuplicatesRule, Settings
from salesops.freshness import ObjectAge
from salesops.night import Night
from salesops.publication import reading

DATA_STATUS = dg.AssetKey(["meta", "data_status"])
CONTACTS = dg.AssetKey(["pipeline", "contacts"])
CONTACT_PAIRS = dg.AssetKey(["pipeline", "contact_pairs"])
DEALS = dg.AssetKey(["pipeline", "deals"])
OWNERS = dg.AssetKey(["pipeline", "owners"])

WHO_IS_WHO = {
    "has_no_new_joined_records": "No more records became copies of others since the acceptance than the rule allows",
    "duplicate_rate_is_bounded": "The share of contact records that are copies of others is no more than expected",
    "pairs_are_ruled_on": "Not too many pairs of contacts wait for a ruling of sales ops",
    "rulings_do_not_contradict": "The rulings of sales ops can all be true",
}

# What staging has must be in the pipeline, once: (gated model, query of what, rows in staging, rows in the pipeline).
# A seller who is in the CRM and in a sheet is one row of owners, which counts the list entries that it stands for.
BALANCES = {
    "deals": (
        DEALS,
        """select names.source, (select count(*) from warehouse.crm.int_crm__deals as d where d.source = names.source),
            (select count(*) from pipeline.deals as d where d.source = names.source)
        from warehouse.crm.int_crm__accounts as names
        union all
        select 'spreadsheets', (select count(*) from warehouse.staging.stg_spreadsheets__deals),
            (select count(*) from pipeline.deals where source = 'spreadsheets')""",
    ),
    "owners": (
        OWNERS,
        """select 'all sources', (select count(*) from warehouse.crm.int_crm__owners)
                + (select count(*) from warehouse.staging.stg_spreadsheets__owners),
            (select coalesce(sum(listed_count), 0) from pipeline.owners)""",
    ),
}


class Finding(NamedTuple):
    """One check's outcome before it is an event. `on_error` flag: said, and published all the same."""

    key: dg.AssetKey
    name: str
    level: str
    reason: str
    on_error: str | None = "block"
    metadata: Mapping[str, Any] = MappingProxyType({})
    worst: Sequence[str] = ()


def build_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """One multi-asset check with every gate. Blocking, unless the company chose to flag."""

    @dg.multi_asset_check(name="gates", specs=list(_specs(settings)), required_resource_keys={"night"})
    def gates(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        night = night_of(context)
        night.say("Checking ...")
        for look in (_freshness, _duplicates, _who_is_who, _balances, _still_there):
            for finding in look(night):
                yield _result(finding, night)
        night.gates_ran = True

    return gates


def _specs(settings: Settings) -> Iterator[dg.AssetCheckSpec]:
    for entry in _enabled(settings):
        text = f"{entry.source}.{entry.name}: extraction and newest event are no older than the company allows"
        yield dg.AssetCheckSpec(_fresh_name(entry), asset=DATA_STATUS, blocking=True, description=text)
    if any(settings.is_enabled(listed.source) for listed in duplicates.LISTED.values()):
        text = "No more new groups of duplicate contacts since the accepted state than the rule allows"
        yield dg.AssetCheckSpec("has_no_new_duplicate_contacts", asset=CONTACTS, blocking=True, description=text)
    for name, text in WHO_IS_WHO.items():
        yield dg.AssetCheckSpec(name, asset=CONTACT_PAIRS, blocking=True, description=text)
    for name, (key, _) in BALANCES.items():
        text = f"Every one of the {name} in staging is in the pipeline, once"
        yield dg.AssetCheckSpec(f"{name}_balance_with_staging", asset=key, blocking=True, description=text)
    text = "No published table that held rows is empty now"
    yield dg.AssetCheckSpec("tables_still_hold_rows", asset=DEALS, blocking=True, description=text)


def _enabled(settings: Settings) -> list[RawObject]:
    return [entry for entry in ALL_OBJECTS if settings.is_enabled(entry.source)]


def _fresh_name(entry: RawObject) -> str:
    return f"{entry.source}_{entry.name}_is_fresh"


def _freshness(night: Night) -> Iterator[Finding]:
    import holidays

    now, company = night.clock.now(), night.settings.company
    years = range(night.as_of.year - 3, night.as_of.year + 1)
    free: dict[date, str] = dict(holidays.country_holidays(company.country, years=years))
    closed: dict[date, str] = dict(holidays.financial_holidays("XECB", years=years))
    with night.warehouse() as connection:
        ages = [_age(connection, entry, night) for entry in _enabled(night.settings)]
    for age, entry in zip(ages, _enabled(night.settings), strict=True):
        rule = night.settings.freshness.rule(age.source, age.name)
        event_hours = None
        if age.newest_event_at is not None:
            if age.source == "exchange_rates":
                event_hours = freshness.bank_hours_between(age.newest_event_at, night.as_of, closed)
            else:
                event_hours = freshness.business_hours_between(age.newest_event_at, night.as_of, company, free)
        judged = freshness.judge(age, rule, now, night.as_of, event_hours)
        metadata = {"newest_event_at": str(age.newest_event_at), "last_success_at": str(age.last_success_at)}
        yield Finding(DATA_STATUS, _fresh_name(entry), judged.level, judged.reason, rule.on_error, metadata)


def _age(connection: duckdb.DuckDBPyConnection, entry: RawObject, night: Night) -> ObjectAge:
    state = connection.execute(
        "select state, state_reason, last_success_at from raw.sync_state where source = ? and object = ?",
        [entry.source, entry.name],
    ).fetchone() or ("failed", "no state was recorded", None)
    events = connection.execute(
        f"select max(version_at) filter (where version_at <= ?), max(version_at), count(*) from {entry.table}",
        [night.as_of],
    ).fetchone()
    assert events is not None
    return ObjectAge(entry.source, entry.name, *state, *events)


def _duplicates(night: Night) -> Iterator[Finding]:
    """One finding for all CRMs, each judged by its own rule; it stops the night where one of those broken does."""
    watched = [name for name, listed in duplicates.LISTED.items() if night.settings.is_enabled(listed.source)]
    if not watched:
        return
    rules = {name: _rule(night, name) for name in watched}
    with night.warehouse() as connection:
        country = night.settings.company.country
        verdicts = {name: duplicates.judge(connection, rule, country, name) for name, rule in rules.items()}
        link = _record_link(connection, night)
        known_leads = duplicates.leads_of_contacts(connection) if "salesforce leads" in watched else None
    new = [group for verdict in verdicts.values() for group in verdict.new]
    groups = [(g.kind, " ".join(link(g.source, i) for i in g.record_ids[:5])) for g in new[: duplicates.WORST]]
    metadata: dict[str, Any] = {
        "new_groups": len(new),
        "groups": sum(verdict.group_count for verdict in verdicts.values()),
        "share_of_contacts": len(new) / (sum(verdict.contact_count for verdict in verdicts.values()) or 1),
    }
    if known_leads is not None:
        metadata["leads_with_the_mail_of_a_contact"] = known_leads
    if new:
        worst = [dg.TableRecord({"why": kind, "records": records}) for kind, records in groups]
        metadata["worst_offenders"] = dg.MetadataValue.table(worst)
    broken = [name for name, verdict in verdicts.items() if not verdict.passed]
    reason = duplicates.by_crm({name: verdicts[name].reason for name in broken or watched}, len(watched) > 1)
    lines = [f"same {kind}: {records}" for kind, records in groups]
    level = "failed" if broken else "passed"
    on_error = _on_error(rules, broken)
    yield Finding(CONTACTS, "has_no_new_duplicate_contacts", level, reason, on_error, metadata, lines)


def _rule(night: Night, name: str) -> DuplicatesRule:
    listed = duplicates.LISTED[name]
    return night.settings.duplicates.rule(listed.source, listed.object)


def _on_error(rules: Mapping[str, DuplicatesRule], broken: Sequence[str]) -> str:
    """Whether what is broken stops the night."""
    return "block" if any(rules[name].on_error == "block" for name in broken or rules) else "flag"


def _who_is_who(night: Night) -> Iterator[Finding]:
    """Each CRM's records by its own rule; a contact that two CRMs have is no copy in either."""
    rules = {name: _rule(night, name) for name, listed in duplicates.LISTED.items() if name == listed.source}
    yield _joined_records(night, rules)
    with duckdb.connect(str(night.data.marts)) as connection:
        held = {source: counts for source, *counts in connection.execute(_HELD).fetchall() if source in rules}
        contradictions = connection.execute(
            """select contradiction,
                   string_agg(file_name || ' line ' || row_number, ', ' order by file_name, row_number)
               from pipeline.match_rulings where state = 'contradicts others'
               group by contradiction order by contradiction"""
        ).fetchall()
    rates = {source: copies / records for source, (records, copies, _) in held.items()}
    bounds = {source: rules[source].warn_duplicate_rate or 0.0 for source in held}
    broken = [source for source, rate in rates.items() if rate > bounds[source]]
    said = {
        source: f"{rates[source]:.1%} of the living contact records are copies of others, {bounds[source]:.1%} expected"
        for source in broken or held
    }
    yield Finding(
        CONTACT_PAIRS,
        "duplicate_rate_is_bounded",
        "failed" if broken else "passed",
        duplicates.by_crm(said, len(held) > 1) or "no contacts",
        on_error="flag",
        metadata={f"duplicate_rate of {source}": rate for source, rate in rates.items()},
    )
    waiting = {source: pairs for source, (_, _, pairs) in held.items()}
    broken = [source for source, pairs in waiting.items() if pairs > (rules[source].warn_waiting_pairs or 0)]
    said = {source: f"{waiting[source]} pairs of contacts wait for a ruling" for source in broken or waiting}
    yield Finding(
        CONTACT_PAIRS,
        "pairs_are_ruled_on",
        "failed" if broken else "passed",
        (duplicates.by_crm(said, len(held) > 1) or "no contacts") + " (`salesops duplicates worklist`)",
        on_error="flag",
        metadata={f"waiting_pairs of {source}": pairs for source, pairs in waiting.items()},
    )
    yield Finding(
        CONTACT_PAIRS,
        "rulings_do_not_contradict",
        "failed" if contradictions else "passed",
        f"{len(contradictions)} sets of rulings cannot all be true: none of them is followed",
        on_error="flag",
        worst=[f"{text} ({lines})" for text, lines in contradictions],
    )


# Of each CRM: its living contact records, those that are copies of another one there, and pairs that wait in which a
# record of it is the newer one.
_HELD = """
select source, count(*), count(*) - count(distinct contact_key), coalesce(any_value(waiting.pair_count), 0)
from pipeline.contact_identities
left join (
    select split_part(newer_record_key, ':', 1) as source, count(*) as pair_count
    from pipeline.contact_pairs where band = 'review' and ruling is null group by all
) as waiting using (source)
where record_state = 'alive' group by source order by source
"""


def _joined_records(night: Night, rules: Mapping[str, DuplicatesRule]) -> Finding:
    with night.warehouse() as connection:
        verdict = duplicates.judge_pairs(connection, rules)
    with duckdb.connect(str(night.data.marts)) as connection:
        urls = dict(connection.execute(_JOINED_URLS).fetchall())
    pairs = [
        {
            "records": " ".join(urls.get(key) or key for key in (pair.left_key, pair.right_key)),
            "why": pair.explanation,
            "channel": pair.entry_channel or "unknown",
            "owner": pair.owner_id or "unknown",
        }
        for pair in verdict.new
    ]
    metadata: dict[str, Any] = {"new_records": verdict.record_count}
    for name in ("channel", "owner"):
        counts = Counter(pair[name] for pair in pairs)
        metadata[f"new_pairs_by_{name}"] = ", ".join(f"{what} {n}" for what, n in counts.most_common()) or "none"
    if pairs:
        metadata["worst_offenders"] = dg.MetadataValue.table(
            [dg.TableRecord(pair) for pair in pairs[: duplicates.WORST]]
        )
    level = "passed" if verdict.passed else "failed"
    lines = [f"{pair['records']}: {pair['why']}" for pair in pairs[: duplicates.WORST]]
    on_error = _on_error(rules, verdict.broken)
    return Finding(CONTACT_PAIRS, "has_no_new_joined_records", level, verdict.reason, on_error, metadata, lines)


_JOINED_URLS = """
select left_source || ':contact:' || left_id, left_url from pipeline.contact_pairs where is_joined
union all
select right_source || ':contact:' || right_id, right_url from pipeline.contact_pairs where is_joined
"""


def _record_link(connection: duckdb.DuckDBPyConnection, night: Night) -> Callable[[str, str], str]:
    """CRM and contact id -> address of the record there, or the bare id while the CRM's own address is unknown."""
    from salesops.night import account_url, portal_url

    bases = {
        "hubspot": (portal_url(connection), "/0-1/{}"),
        "salesforce": (night.settings.sources.salesforce.record_url, "/lightning/r/{}/view"),
        "pipedrive": (account_url(connection), "/person/{}"),
    }

    def link(source: str, record_id: str) -> str:
        base, path = bases.get(source, ("", ""))
        return base + path.format(record_id) if base else record_id

    return link


def _balances(night: Night) -> Iterator[Finding]:
    with duckdb.connect(str(night.data.marts)) as connection:
        connection.execute(f"attach '{night.data.warehouse}' as warehouse (read_only)")
        for name, (key, query) in BALANCES.items():
            counts = connection.execute(query).fetchall()
            problems = [f"{what}: {n} in staging, {m} in the pipeline" for what, n, m in counts if n != m]
            metadata = {
                f"{what} {place}": count for what, n, m in counts for place, count in (("staging", n), ("pipeline", m))
            }
            level = "failed" if problems else "passed"
            reason = "; ".join(problems) or "every one is there"
            yield Finding(key, f"{name}_balance_with_staging", level, reason, metadata=metadata)


def _still_there(night: Night) -> Iterator[Finding]:
    """Compares with what is published now. A night that looks back (--as-of) may well be emptier."""
    published = night.publish_to / "marts.duckdb"
    emptied: list[str] = []
    if published.exists() and not night.looks_back:
        with reading(published) as before, duckdb.connect(str(night.data.marts)) as after:
            held, now = _tables_with_rows(before), _tables_with_rows(after)
        emptied = sorted(table for table in held - now if not table.startswith("meta."))
    level = "failed" if emptied else "passed"
    reason = f"held rows and are empty now: {', '.join(emptied)}" if emptied else "none was emptied"
    yield Finding(DEALS, "tables_still_hold_rows", level, reason)


def _tables_with_rows(connection: duckdb.DuckDBPyConnection) -> set[str]:
    names = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
    ).fetchall()
    return {name for (name,) in names if connection.execute(f"select 1 from {name} limit 1").fetchone()}


def _result(finding: Finding, night: Night) -> dg.AssetCheckResult:
    """A failure that the company chose to flag is a warning: seen by everyone, and published."""
    blocks = finding.level == "failed" and finding.on_error != "flag"
    state = "failed" if blocks else "warned" if finding.level != "passed" else "passed"
    night.note("/".join(finding.key.path), finding.name, state, finding.reason, is_blocking=True, worst=finding.worst)
    return dg.AssetCheckResult(
        asset_key=finding.key,
        check_name=finding.name,
        passed=finding.level == "passed",
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=finding.reason,
        metadata={**finding.metadata, "reason": finding.reason},
    )
