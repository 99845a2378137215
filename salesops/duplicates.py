"""Duplicate contacts: what they are, and how many are new since the state that was accepted.

Two looks. Groups, on the landed records alone: whatever the matching engine says, nobody brings these in unseen.
A group is two or more live contacts of one source with the same normalised e-mail, or with the same phone and the
same folded name. Salesforce's open leads are looked at among their own: one that is a contact too is how that CRM
works. Shared mailboxes (info@, sales@ ...) and switchboards (one phone, other names) are nobody's duplicate. Looks at
the newest landed version: what a seller would see in the CRM now, whatever the night's as-of.
Pairs, of the night that was built: living records that the matching engine made one contact by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from salesops.config import DuplicatesRule

WORST = 20

_BASELINE = """create table if not exists raw.duplicate_baseline
    (group_hash varchar not null, record_count integer not null, accepted_at timestamptz not null,
    note varchar not null)"""

Row = tuple[str, int, datetime, str]
PAIRS = "pairs"  # the row of a baseline that holds pairs too
WATCHED = (
    "contacts of "  # the rows of a baseline that say whose contacts it holds; one without such rows holds HubSpot's
)


@dataclass(frozen=True)
class _Listed:
    """Where a CRM's contacts lie. `fields`: e-mail, telephone, mobile one, first and last name of a payload, in SQL;
    `counts`: which of its payloads are people. `prefix` of what is hashed tells one list from another."""

    source: str
    object: str
    fields: str
    employers: str
    counts: str = "true"
    prefix: str = ""

    @property
    def table(self) -> str:
        return f"raw.{self.source}__{self.object}"


def _texts(*paths: str) -> str:
    return f"json_extract_string(payload, [{', '.join(repr('$.' + path) for path in paths)}])"


def _in_list(name: str, mark: str, value: str, otherwise: str) -> str:
    """The value of the first entry of a payload's list whose `mark` is `value`."""
    entries = f"json_extract(payload, '$.{name}[*]')"
    marked = f"list_filter({entries}, lambda entry: (entry ->> '$.{mark}') = '{value}')[1]"
    return f"(coalesce({marked}, {otherwise.format(entries)}) ->> '$.value')"


_NAMED = (
    "select record_id as from_id, json_extract_string(payload, '$.{}') as company_id from newest where not is_deleted"
)
_SALESFORCE = _texts("Email", "Phone", "MobilePhone", "FirstName", "LastName")
LISTED = {
    "hubspot": _Listed(
        *("hubspot", "contacts"),
        _texts(*(f"properties.{name}" for name in ("email", "phone", "mobilephone", "firstname", "lastname"))),
        """select from_id, to_id as company_id
    from raw.hubspot__contacts_companies_links
    qualify row_number() over (partition by from_id, to_id, type_id order by landed_at desc, batch_id desc) = 1
        and not is_deleted""",
    ),
    "salesforce": _Listed("salesforce", "contacts", _SALESFORCE, _NAMED.format("AccountId"), prefix="salesforce:"),
    "salesforce leads": _Listed(
        *("salesforce", "leads", _SALESFORCE, "select null as from_id, null as company_id where false"),
        counts="coalesce(payload ->> '$.IsConverted', 'false') <> 'true'",
        prefix="salesforce lead:",
    ),
    "pipedrive": _Listed(
        *("pipedrive", "persons"),
        f"""[{_in_list("emails", "primary", "true", "{}[1]")}, {_in_list("phones", "primary", "true", "{}[1]")},
            {_in_list("phones", "label", "mobile", "null")}, payload ->> '$.name', '']""",
        _NAMED.format("org_id"),
        prefix="pipedrive:",
    ),
}

_LEADS_OF_CONTACTS = """
with people as (
    select 'lead' as kind, record_id, version_at, landed_at, batch_id, payload, is_deleted from raw.salesforce__leads
    union all
    select 'contact', record_id, version_at, landed_at, batch_id, payload, is_deleted from raw.salesforce__contacts
),
living as (
    select kind, lower(trim(payload ->> '$.Email')) as email
    from (
        from people
        qualify row_number() over (
            partition by kind, record_id order by version_at desc, landed_at desc, batch_id desc) = 1
    )
    where not is_deleted and coalesce(payload ->> '$.IsConverted', 'false') <> 'true'
)
select count(*) from living where kind = 'lead' and email like '%_@_%'
    and email in (select email from living where kind = 'contact' and email is not null)
"""

# What sales ops ruled the same is no duplicate that came in.
_PAIRS = """
select pairs.left_key, pairs.right_key, pairs.explanation, later.record_key, later.entry_channel, later.owner_id,
    md5('pair:' || pairs.left_key || '>' || pairs.right_key)
from matching.int_matching__contact_pairs as pairs
inner join matching.int_matching__contact_records as lefts on pairs.left_key = lefts.record_key
inner join matching.int_matching__contact_records as rights on pairs.right_key = rights.record_key
inner join matching.int_matching__contact_records as later on later.record_key = case
    when coalesce(lefts.created_at, lefts.known_from) > coalesce(rights.created_at, rights.known_from)
        then lefts.record_key else rights.record_key end
where pairs.is_joined and pairs.ruling is null
order by coalesce(later.created_at, later.known_from) desc, pairs.left_key, pairs.right_key
"""

_GROUPS = """
with newest as (
    select record_id, is_deleted, payload, {fields} as p
    from {table}
    qualify row_number() over (partition by record_id order by version_at desc, landed_at desc, batch_id desc) = 1
),
contacts as (
    select record_id, lower(trim(p[1])) as email,
        regexp_replace(coalesce(nullif(p[3], ''), p[2], ''), '[^0-9+]', '', 'g') as digits,
        strip_accents(lower(trim(concat_ws(' ', trim(p[4]), trim(p[5]))))) as name
    from newest where not is_deleted and {counts}
),
readable as (
    select record_id, email, name,
        case when digits like '+%' then digits when digits like '00%' then '+' || substring(digits, 3)
            when digits like '0%' then '+' || $calling_code || substring(digits, 2) end as phone
    from contacts
),
keyed as (
    select record_id, 'email' as kind, email as value from readable
    where email like '%_@_%'
        and not list_contains($shared_mailboxes, regexp_replace(email, '[+@].*$|[^a-zà-ÿ]', '', 'g'))
    union all
    select record_id, 'phone and name', phone || ' ' || name from readable
    where length(phone) > 7 and name <> ''
),
employers as (
    {employers}
),
shared_employer as (
    select distinct kind, value
    from (select distinct keyed.*, company_id from keyed inner join employers on record_id = from_id)
    where kind = 'email'
    group by kind, value, company_id having count(*) > 1
)
select '{source}', kind, md5('{prefix}' || kind || ':' || value) as group_hash,
    list_sort(list(record_id)) as record_ids, bool_or(shared_employer.value is not null) as is_inside_company
from keyed left join shared_employer using (kind, value)
group by kind, value having count(*) > 1
order by len(record_ids) desc, group_hash
"""


@dataclass(frozen=True)
class Group:
    """Contacts that look like one person. `record_ids` are the CRM's own."""

    source: str
    kind: str
    group_hash: str
    record_ids: list[str]
    is_inside_company: bool


@dataclass(frozen=True)
class Pair:
    """Two contact records that the engine joined. `entry_channel` and `owner_id` are the later record's."""

    left_key: str
    right_key: str
    explanation: str
    later_key: str
    entry_channel: str | None
    owner_id: str | None
    pair_hash: str


@dataclass(frozen=True)
class PairVerdict:
    """`new`: pairs that are not in the baseline. `record_count`: distinct later records in them. `broken`: CRMs with
    more of these than their rule allows."""

    passed: bool
    reason: str
    new: list[Pair]
    record_count: int
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """`new`: groups that are not in the baseline or grew since. `has_baseline`: False before the first publication."""

    passed: bool
    reason: str
    new: list[Group]
    group_count: int
    contact_count: int
    has_baseline: bool


def find_groups(
    connection: duckdb.DuckDBPyConnection, country: str, sources: Iterable[str] = tuple(LISTED)
) -> list[Group]:
    """All groups of these lists, the largest of each first. `country` completes phones without a country code."""
    import phonenumbers

    from analysis.matching.engine import words

    code = str(phonenumbers.country_code_for_region(country) or "")
    parameters = {"calling_code": code, "shared_mailboxes": words("role_mailboxes")}
    groups = []
    for source in sources:
        listed = LISTED[source]
        query = _GROUPS.format(table=listed.table, **vars(listed))
        groups += [Group(*row) for row in connection.execute(query, parameters).fetchall()]
    return groups


def judge(
    connection: duckdb.DuckDBPyConnection, rule: DuplicatesRule, country: str, source: str = "hubspot"
) -> Verdict:
    """Compare a list's contacts with the accepted baseline. Where it holds none of them they are inherited: passed."""
    groups = find_groups(connection, country, [source])
    accepted = _baseline(connection)
    table = LISTED[source].table
    counted = connection.execute(f"select count(distinct record_id) from {table}").fetchone()
    contact_count = counted[0] if counted else 0
    if accepted is None or source not in _watched(accepted):
        reason = f"{len(groups)} groups found; they become the accepted baseline with the next publication"
        return Verdict(True, reason, [], len(groups), contact_count, False)
    new = [group for group in groups if len(group.record_ids) > accepted.get(group.group_hash, 1)]
    assert rule.max_new_shared_emails is not None
    shared = sum(group.is_inside_company for group in new)
    problems = []
    if len(new) > (allowed := _allowed(rule, contact_count)):
        problems.append(f"{len(new)} new groups of duplicate contacts since the accepted state, {allowed} allowed")
    if shared > rule.max_new_shared_emails:
        problems.append(
            f"{shared} e-mail addresses newly shared inside one company, {rule.max_new_shared_emails} allowed"
        )
    reason = "; ".join(problems) or f"{len(new)} new groups since the accepted state ({len(groups)} in all)"
    return Verdict(not problems, reason, new, len(groups), contact_count, True)


def leads_of_contacts(connection: duckdb.DuckDBPyConnection) -> int:
    """Open Salesforce leads with the e-mail of a contact there: known already, and no duplicate of one another."""
    (count,) = connection.execute(_LEADS_OF_CONTACTS).fetchone() or (0,)
    return int(count)


def judge_pairs(connection: duckdb.DuckDBPyConnection, rules: Mapping[str, DuplicatesRule]) -> PairVerdict:
    """Compare what the last build joined with the accepted baseline: the later record of a pair by its CRM's rule. A
    baseline without pairs, or none, has inherited them."""
    accepted, pairs = _baseline(connection), _joined_pairs(connection)
    if accepted is None or PAIRS not in accepted:
        reason = f"{len(pairs)} pairs joined; they become the accepted baseline with the next publication"
        return PairVerdict(True, reason, [], 0)
    inherited = LISTED.keys() - _watched(accepted)
    new = [pair for pair in pairs if pair.pair_hash not in accepted and not inherited.intersection(_sources_of(pair))]
    later: dict[str, set[str]] = defaultdict(set)
    for pair in new:
        later[pair.later_key.partition(":")[0]].add(pair.later_key)
    counted = dict(
        connection.execute(
            """select split_part(record_key, ':', 1), count(*) from matching.int_matching__contacts
               group by all order by 1"""
        ).fetchall()
    )
    allowed = {source: _allowed(rules[source], count) for source, count in counted.items() if source in rules}
    broken = [source for source, most in allowed.items() if len(later[source]) > most]
    said = {
        source: f"{len(later[source])} records are duplicates of others and were not when the state was accepted,"
        f" {allowed[source]} allowed"
        for source in broken or allowed
    }
    reason = by_crm(said, len(allowed) > 1) or "no contacts"
    return PairVerdict(not broken, reason, new, sum(map(len, later.values())), broken)


def by_crm(said: Mapping[str, str], is_several: bool) -> str:
    """What is said of each CRM, in one line; named where there are several."""
    return "; ".join(f"{source}: {text}" if is_several else text for source, text in said.items())


def _allowed(rule: DuplicatesRule, contact_count: int) -> int:
    assert rule.max_new_groups is not None and rule.max_new_rate is not None
    return max(rule.max_new_groups, int(rule.max_new_rate * contact_count))


def read_from(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Lists that were ever read: an accepted state without them would call every inherited duplicate new."""
    listed = connection.execute(
        "select source, object from raw.sync_state where last_success_at is not null"
    ).fetchall()
    return {name for name, one in LISTED.items() if (one.source, one.object) in listed}


def inherit(connection: duckdb.DuckDBPyConnection, country: str, now: datetime) -> bool:
    """Accept what no state was accepted for yet; whether that was all of it.

    A state of before there were pairs gets the pairs, and its groups stay as they were accepted; one of before a CRM
    was read gets that CRM's groups, and the pairs in which a record of it is.
    """
    accepted = _baseline(connection)
    if accepted is None:
        accept(connection, find_groups(connection, country), "first publication", now)
        return True
    if PAIRS not in accepted:
        _insert(connection, _pair_rows(connection, "first publication with pairs", now))
    if added := read_from(connection) - _watched(accepted):
        note = f"first publication with {', '.join(sorted(added))}"
        groups = find_groups(connection, country, sorted(added))
        pairs = [pair for pair in _joined_pairs(connection) if added.intersection(_sources_of(pair))]
        rows = [(pair.pair_hash, 2, now, note) for pair in pairs if PAIRS in accepted]
        _insert(connection, [*_group_rows(groups, added | _watched(accepted), note, now), *rows])
    return False


def accept(connection: duckdb.DuckDBPyConnection, groups: Sequence[Group], note: str, now: datetime) -> None:
    """Make `groups`, and the pairs that the last build joined, the accepted state."""
    rows = _group_rows(groups, read_from(connection), note, now)
    connection.execute("begin")
    connection.execute(_BASELINE)
    connection.execute("delete from raw.duplicate_baseline")
    _insert(connection, [*rows, *_pair_rows(connection, note, now)])
    connection.execute("commit")


def _group_rows(groups: Sequence[Group], watched: set[str], note: str, now: datetime) -> list[Row]:
    rows = [(group.group_hash, len(group.record_ids), now, note) for group in groups]
    return rows + [(WATCHED + source, 0, now, note) for source in sorted(watched)]


def _watched(accepted: dict[str, int]) -> set[str]:
    """Lists whose contacts the accepted state holds."""
    named = {key.removeprefix(WATCHED) for key in accepted if key.startswith(WATCHED)}
    return named or {"hubspot"}


def _sources_of(pair: Pair) -> set[str]:
    return {key.partition(":")[0] for key in (pair.left_key, pair.right_key)}


def _pair_rows(connection: duckdb.DuckDBPyConnection, note: str, now: datetime) -> list[Row]:
    return [(PAIRS, 0, now, note), *((pair.pair_hash, 2, now, note) for pair in _joined_pairs(connection))]


def _insert(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    connection.executemany("insert into raw.duplicate_baseline values (?, ?, ?, ?)", rows)


def _baseline(connection: duckdb.DuckDBPyConnection) -> dict[str, int] | None:
    connection.execute(_BASELINE)
    rows = connection.execute("select group_hash, record_count from raw.duplicate_baseline").fetchall()
    return dict(rows) if rows else None


def _joined_pairs(connection: duckdb.DuckDBPyConnection) -> list[Pair]:
    """Those of the latest record first; none before the first build."""
    built = "select 1 from duckdb_tables() where table_name = 'int_matching__contact_pairs'"
    return [Pair(*row) for row in connection.execute(_PAIRS).fetchall()] if connection.execute(built).fetchone() else []
