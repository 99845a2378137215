"""`resolve`: contacts and companies in, clusters and explained pairs out. SQL compares; Python wires it and joins."""

from __future__ import annotations

import csv
import importlib.resources
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import nicknames
import numpy as np
import phonenumbers

from analysis.matching import levels
from analysis.matching.clusters import Clusters, join_pairs
from analysis.matching.memory import Memory, attached, discard
from analysis.matching.rulings import Ruling, set_contradictions_aside
from analysis.matching.scorecard import COMPANY_TOGETHER, CONTACT_TOGETHER, HOLDS, scorecard
from analysis.matching.weights import Card, Weights

log = logging.getLogger(__name__)

HERE = Path(str(importlib.resources.files("analysis.matching")))
ENGLISH_NAMES = Path(nicknames.__file__).with_name("names.csv")

CAPS = {"match_contact": 24, "match_company": 40}
"""Records on one key value that are still compared pair by pair; narrower keys cover the values above it."""
NARROWEST = ["mailbox and name", "phone and name", "full name and company", "full name and domain"]
RESULTS = ("company_clusters", "company_pairs", "contact_clusters", "contact_pairs", "uncompared")
LARGEST_CLUSTER = 15
LARGEST_PERSON = 40


class ContradictoryRulings(ValueError):
    """Two records are ruled the same, through others, and ruled apart."""


@dataclass
class Report:
    contact_count: int = 0
    company_count: int = 0
    pair_count: int = 0
    automatic_count: int = 0
    review_count: int = 0
    refused_count: int = 0
    dropped_keys: list[tuple[str, int, int]] = field(default_factory=list)
    """(kind of key, over-full values, records on them that it did not compare)"""
    uncompared_count: int = 0
    recalled: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """kind of record -> (as the last run saw them, new, gone); without it, all were compared from the start"""
    seconds: dict[str, float] = field(default_factory=dict)


def resolve(
    connection: duckdb.DuckDBPyConnection,
    *,
    contacts: str,
    companies: str,
    rulings: str | None = None,
    into: str = "matches",
    weights: Weights | None = None,
    country: str = "SE",
    memory: Path | None = None,
) -> Report:
    """Writes the temporary tables {into}_company_clusters, _company_pairs, _contact_clusters and _contact_pairs,
    and {into}_uncompared: what nobody was compared on (a kind of key), and how many records with nobody ('all keys').

    `memory` is a file in which one run leaves the next what it need not do again; a broken one is thrown away.
    `country` is where a telephone number without a plus sign, but with a country code, is at home.
    """

    def run(schema: str | None) -> Report:
        matching = Matching(connection, weights or Weights.load(), into, country, schema)
        try:
            matching.prepare(rulings)
            matching.companies(companies)
            matching.contacts(contacts)
            matching.finish()
        finally:
            matching.clear()
        return matching.report

    if memory:
        try:
            with attached(connection, memory) as schema:
                return run(schema)
        except (duckdb.Error, OSError) as error:
            told = str(error).partition("\n")[0]
            log.warning("matching: %s is of no use (%s), everything is compared from the start", memory, told)
            discard(memory)
    return run(None)


def words(name: str) -> list[str]:
    with (HERE / "words" / f"{name}.csv").open() as file:
        return [row[0] for row in list(csv.reader(file))[1:]]


def spelled_out(code: str) -> str | None:
    """`företag.se` of `xn--fretag-...se`; None of what is no such name."""
    try:
        return code.encode("ascii").decode("idna")
    except UnicodeError:
        return None


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def listed(values: list[str]) -> str:
    return ", ".join(text(value) for value in values)


class Matching:
    """One run: the temporary tables that its steps share."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        weights: Weights,
        into: str,
        country: str = "SE",
        memory: str | None = None,
    ) -> None:
        self.connection = connection
        self.weights = weights
        self.report = Report()
        self.names: dict[str, Any] = {
            **levels.LIMITS,
            "into": into,
            "keyed_contacts": "match_contact",
            "keyed_companies": "match_company",
            "namesakes_bins": f"[{listed(levels.NAMESAKES)}]",
            "home_code": phonenumbers.country_code_for_region(country),
            "words": HERE / "words",
            "english_names": ENGLISH_NAMES,
            "legal_forms": f"[{listed(words('legal_forms'))}]",
            "country_words": f"[{listed(words('countries'))}]",
            "free_mail": f"[{listed(words('free_mail_domains'))}]",
            "role_words": f"[{listed(words('role_mailboxes'))}]",
            "no_names": f"[{listed(words('no_names'))}]",
        }
        self.memory = Memory(self, memory) if memory else None

    # -- steps

    def prepare(self, rulings: str | None) -> None:
        with self.timed("words"):
            self.connection.execute(
                "create or replace temp table {into}_uncompared"
                " (thing varchar, kind varchar, value_count bigint, record_count bigint)".format(**self.names)
            )
            self.run("macros")
            self.run("words")
            self.connection.execute(
                "create or replace temp table match_ruling (left_key varchar, right_key varchar, ruling varchar)"
            )
            if rulings:
                self.connection.execute(f"insert into match_ruling select left_key, right_key, ruling from {rulings}")
            self.refuse_contradictions()
            if self.memory:
                self.memory.open()

    def finish(self) -> None:
        if self.memory:
            with self.timed("memory"):
                self.memory.close()

    def refuse_contradictions(self) -> None:
        """A=B and B=C with A<>C: the three keys are named."""
        rows = self.connection.execute("select left_key, right_key, ruling from match_ruling").fetchall()
        for known in set_contradictions_aside(Ruling(*row) for row in rows)[1]:
            left, right, ruling = known.apart
            raise ContradictoryRulings(f"{' = '.join(known.chain)} are ruled the same, yet {left} and {right} {ruling}")

    def companies(self, relation: str) -> None:
        with self.timed("companies"):
            self.read_companies(relation)
            self.compare_companies()
            pairs = self.fetch("select a, b, score, hold, ruling from match_scored order by score desc, a, b")
            clusters = Clusters(self.report.company_count, LARGEST_CLUSTER, self.apart("'different', 'keep_apart'"))
            rows = self.connection.execute(
                "select id, legal_id from match_company where legal_id is not null"
            ).fetchall()
            clusters.identifiers = {record - 1: {"": {legal_id}} for record, legal_id in rows}
            refusals = join_pairs(clusters, pairs, pairs["score"], self.weights, self.weights.company_automatic_score)
            labels = clusters.labels()
            self.keep(pairs, refusals, is_joined=labels)
            self.table("match_company_cluster", id=np.arange(1, len(labels) + 1), cluster=labels)
            self.run("company_results", automatic=self.weights.company_automatic_score)

    def read_companies(self, relation: str) -> None:
        self.spell_out(f"select match_domain(domain) as domain from {relation}")
        self.run("companies", companies=relation)
        self.report.company_count = self.number("select count(*) from match_company")

    def compare_companies(self) -> None:
        self.find_pairs("match_company", "company_keys", "keyed_companies")
        enums = {f"{name}_levels": f"enum({listed(values)})" for name, values in levels.COMPANY_LEVELS.items()}
        self.run("company_levels", **enums)
        self.keep_pairs()
        self.run("rulings", records="match_company")
        self.score(
            list(levels.COMPANY_LEVELS),
            COMPANY_TOGETHER,
            {"score": (self.weights.company, self.weights.company_start)},
            hold="null",
            worth=f"s.score >= {self.weights.company_review_score}",
        )
        self.learn()

    def contacts(self, relation: str) -> None:
        with self.timed("contacts: normalise"):
            self.read_contacts(relation)
        with self.timed("contacts: pairs"):
            self.find_pairs("match_contact", "contact_keys", "keyed_contacts")
            self.report.pair_count = self.number("select count(*) from match_pair")
        with self.timed("contacts: levels"):
            self.compare_contacts()
        with self.timed("contacts: scores"):
            self.score_contacts()
        with self.timed("contacts: clusters"):
            self.cluster_contacts()
        with self.timed("contacts: results"):
            common = [level for level in levels.NAMESAKES if float(level.removeprefix("10^")) >= 0]
            self.run(
                "contact_results",
                automatic=self.weights.automatic_score,
                review=self.weights.review_score,
                common_names=listed(common),
            )
            counts = self.connection.execute(
                "select count(*) filter (where band = 'automatic'), count(*) filter (where band = 'review'),"
                f" count(*) filter (where refusal is not null) from {self.names['into']}_contact_pairs"
            ).fetchall()[0]
            self.report.automatic_count, self.report.review_count, self.report.refused_count = counts

    def read_contacts(self, relation: str) -> None:
        """One row a key: the newest where a source sends a record twice. What is longer than is read is not carried."""
        columns = {column[0] for column in self.connection.execute(f"describe select * from {relation}").fetchall()}
        texts = ["first_name", "last_name", "phone", "company_name", "title", "city"]
        mobile = "match_cut(mobile_phone)" if "mobile_phone" in columns else "null::varchar"
        self.connection.execute(
            "create or replace temp table match_contact_input as select * exclude (email, updated_at),"
            " match_mailbox(email) as mailbox from (select record_key, company_record_key, created_at, updated_at,"
            f" left(email, {levels.LIMITS['address_limit']} + 1) as email, {mobile} as mobile_phone,"
            f" {', '.join(f'match_cut({text}) as {text}' for text in texts)} from {relation})"
            " qualify row_number() over (partition by record_key order by updated_at desc nulls last, hash("
            "first_name, last_name, email, phone, company_name, company_record_key, title, city)) = 1"
        )
        self.spell_out("select split_part(mailbox, '@', 2) as domain from match_contact_input")
        self.run("contacts", contacts="match_contact_input")
        self.report.contact_count = self.number("select count(*) from match_contact")

    def spell_out(self, domains: str) -> None:
        """`match_idn`: domains in punycode, and what they say. One firm writes its address either way."""
        codes = self.connection.execute(f"select distinct domain from ({domains}) where contains(domain, 'xn--')")
        said = {code: spelled for (code,) in codes.fetchall() if (spelled := spelled_out(code))}
        self.table("match_idn", code=np.array([*said], dtype=str), domain=np.array([*said.values()], dtype=str))

    def compare_contacts(self) -> None:
        enums = {
            f"{name.removesuffix('_evidence')}_levels": f"enum({listed(values)})"
            for name, values in levels.CONTACT_LEVELS.items()
        }
        self.run("contact_levels", **enums)
        self.keep_pairs()

    def score_contacts(self) -> None:
        self.run("rulings", records="match_contact")
        weights = self.weights
        self.score(
            list(levels.CONTACT_LEVELS),
            CONTACT_TOGETHER,
            {
                "merge_score": (weights.merge, weights.merge_start),
                "person_score": (weights.person, weights.person_start),
            },
            hold=HOLDS,
            worth=f"s.merge_score >= {weights.review_score} or s.person_score >= {weights.person_score}",
        )
        self.learn()

    def cluster_contacts(self) -> None:
        weights, count = self.weights, self.report.contact_count
        pairs = self.fetch(
            "select a, b, merge_score, person_score, hold, ruling from match_scored order by merge_score desc, a, b"
        )
        clusters = Clusters(count, LARGEST_CLUSTER, self.apart("'different', 'keep_apart'"))
        rows = self.connection.execute(
            "select id, corporate_domain, mailbox from match_contact where corporate_domain is not null and not is_role"
            " and id in (select unnest([a, b]) from match_scored)"
        ).fetchall()
        clusters.identifiers = {record - 1: {domain: {mailbox}} for record, domain, mailbox in rows}
        refusals = join_pairs(clusters, pairs, pairs["merge_score"], weights, weights.automatic_score)
        labels = clusters.labels()

        persons = Clusters(count, LARGEST_PERSON, self.apart("'different'"))
        for record in np.flatnonzero(labels != np.arange(count)).tolist():
            persons.join(record, int(labels[record]), is_ruled=True)
        order = np.lexsort((pairs["b"], pairs["a"], -pairs["person_score"]))
        links = {name: values[order] for name, values in pairs.items()}
        join_pairs(persons, links, links["person_score"], weights, weights.person_score, same=("same", "keep_apart"))
        people = persons.labels()

        self.keep(pairs, refusals, is_joined=labels, is_same_person=people)
        self.table("match_contact_cluster", id=np.arange(1, count + 1), cluster=labels, person=people)

    # -- how

    def run(self, name: str, **names: Any) -> None:
        sql = Template((HERE / "sql" / f"{name}.sql").read_text()).substitute(self.names | names)
        self.connection.execute(sql)

    def number(self, sql: str) -> int:
        return int(self.connection.execute(sql).fetchall()[0][0])

    def fetch(self, sql: str) -> dict[str, np.ndarray]:
        return {name: np.ma.getdata(values) for name, values in self.connection.execute(sql).fetchnumpy().items()}

    def table(self, name: str, **columns: np.ndarray) -> None:
        self.connection.register("match_columns", columns)
        self.connection.execute(f"create or replace temp table {name} as select * from match_columns")
        self.connection.unregister("match_columns")

    def apart(self, rulings: str) -> list[tuple[int, int]]:
        sql = f"select a - 1, b - 1 from match_pair_ruling where ruling in ({rulings})"
        return self.connection.execute(sql).fetchall()

    def keep(self, pairs: dict[str, np.ndarray], refusals: list[str | None], **labels: np.ndarray) -> None:
        """The outcome of every scored pair; what came together by another way was not refused."""
        a, b = pairs["a"] - 1, pairs["b"] - 1
        together = {name: values[a] == values[b] for name, values in labels.items()}
        texts = sorted({refusal for refusal in refusals if refusal})
        numbers = {refusal: number + 1 for number, refusal in enumerate(texts)}
        codes = np.fromiter((numbers.get(refusal or "", 0) for refusal in refusals), np.int64, len(refusals))
        codes[together["is_joined"]] = 0
        self.table("match_coded", a=pairs["a"], b=pairs["b"], code=codes, **together)
        self.connection.execute(
            "create or replace temp table match_outcome as select * exclude (code),"
            f" ([{listed(texts)}]::varchar[])[code] as refusal from match_coded"
        )

    def score(
        self,
        features: list[str],
        together: list[tuple[str, str]],
        cards: dict[str, tuple[Card, float]],
        hold: str,
        worth: str,
    ) -> None:
        points, sums = scorecard(features, together, cards)
        self.table("match_points", **points)
        self.run(
            "scores",
            features=", ".join(features),
            hold=hold,
            worth=worth,
            **sums,
        )

    def find_pairs(self, records: str, keys: str, keyed: str) -> None:
        """Every pair that shares a key; with a memory, those of them that it cannot tell of."""
        if not (memory := self.memory):
            self.run(keys)
            self.pairs(records)
        elif memory.recall(records):
            self.run(keys, **{keyed: "match_new_record"})
            self.pairs(records, "memory_pairs", memory.names)
        else:
            self.run(keys)
            memory.keep_keys()
            self.pairs(records)
            memory.keep_full()

    def keep_pairs(self) -> None:
        if self.memory and self.memory.is_recalled:
            self.memory.keep_pairs()

    def learn(self) -> None:
        if self.memory:
            self.memory.learn()

    def pairs(self, records: str, sql: str = "pairs", names: dict[str, str] | None = None) -> None:
        self.run(sql, **{**(names or {}), "records": records, "cap": CAPS[records], "narrowest": listed(NARROWEST)})
        rows = self.connection.execute(
            "select kind, dropped_values, records from match_dropped order by all"
        ).fetchall()
        self.report.dropped_keys += rows
        alone = self.number("select count(*) from match_uncompared")
        self.report.uncompared_count += alone
        thing = records.removeprefix("match_")
        found = [(thing, *row) for row in rows] + ([(thing, "all keys", None, alone)] if alone else [])
        for row in found:
            self.connection.execute(f"insert into {self.names['into']}_uncompared values (?, ?, ?, ?)", row)

    def clear(self) -> None:
        results = {f"{self.names['into']}_{name}" for name in RESULTS}
        tables = "select table_name from duckdb_tables() where temporary and starts_with(table_name, 'match_')"
        for (name,) in self.connection.execute(tables).fetchall():
            if name not in results:
                self.connection.execute(f"drop table {name}")
        macros = "select distinct function_name from duckdb_functions() where starts_with(function_name, 'match_')"
        for (name,) in self.connection.execute(macros).fetchall():
            self.connection.execute(f"drop macro {name}")

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.report.seconds[step] = round(time.perf_counter() - started, 3)
