"""What the last run saw, so that a night does the work of what is new: the records as they were compared, their keys,
and the pairs that can be worth a look. Every run gives what one without memory would give, to the last point.

The memory is a database file of its own. It is believed only if the same code, words and weights wrote it to the end;
all else is a run from the start. It holds keys of records, hashes and levels: no name, no address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from analysis.matching import levels

if TYPE_CHECKING:
    from analysis.matching.engine import Matching

LARGEST_CHANGE = 0.2
"""A larger share of records that are new or gone is quicker from the start."""
ROUNDING = 1e-6

# Counts that a comparison reads only by class: a record is another one when its class is.
CLASSES: dict[str, dict[str, tuple[str, ...]]] = {
    "match_contact": {"phone_people": ("own_phone_people", "switchboard_people")},
    "match_company": {
        "name_records": ("rare_name", "name_of_several", "common_name"),
        "word_records": ("rare_word", "word_of_several", "common_word"),
    },
}
# Counts that are read anew for every pair.
COUNTED = {"given_records", "family_records"}
BINS = [f"'{level}'" for level in levels.NAMESAKES]


def fingerprint(run: Matching) -> str:
    """Of all that decides: code, words, limits, weights and the database whose hashes are kept."""
    from analysis.matching import engine

    parts = [duckdb.__version__, json.dumps(asdict(run.weights)), repr((run.names, engine.CAPS))]
    parts += [str(path.read_bytes()) for path in sorted(engine.HERE.rglob("*.*")) if path.suffix in (".py", ".sql")]
    parts += [str(path.read_bytes()) for path in (*sorted(engine.HERE.rglob("*.csv")), engine.ENGLISH_NAMES)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as matching_memory")
    try:
        yield "matching_memory.main"
    finally:
        connection.execute("detach matching_memory")


def discard(path: Path) -> None:
    for file in (path, path.with_name(f"{path.name}.wal")):
        file.unlink(missing_ok=True)


class Memory:
    """The memory of one run, of one kind of record after the other."""

    def __init__(self, run: Matching, schema: str) -> None:
        self.run = run
        self.schema = schema
        self.is_trusted = False
        self.is_recalled = False
        self.names: dict[str, str] = {}

    def open(self) -> None:
        """From here to `close` the memory is in no state that another run could use."""
        execute = self.run.connection.execute
        execute(f"create table if not exists {self.schema}.written_by (fingerprint varchar)")
        found = execute(f"select fingerprint from {self.schema}.written_by").fetchall()
        self.is_trusted = found == [(fingerprint(self.run),)]
        execute(f"delete from {self.schema}.written_by")

    def close(self) -> None:
        self.run.connection.execute(f"insert into {self.schema}.written_by values (?)", [fingerprint(self.run)])

    def recall(self, records: str) -> bool:
        """Whether only what is new has to be compared: then `match_new_record` has it, under its number."""
        thing = records.removeprefix("match_")
        self.names = {"memory": self.schema, "thing": thing, "records": records, "seen": self.seen(records)}
        if self.is_trusted:
            self.run.run("memory_recall", **self.names)
            known, same, gone = (
                self.run.number(f"select count(*) from {table}")
                for table in (f"{self.schema}.{thing}_record", "match_same", "match_gone")
            )
            new = self.run.number("select count(*) from match_new")
            self.is_recalled = new + gone <= LARGEST_CHANGE * known
            if self.is_recalled:
                self.run.report.recalled[thing] = (same, new, gone)
                return True
        self.is_recalled = False
        self.forget(thing)
        self.run.run("memory_recall", **self.names)
        for table in ("match_fresh", "match_touched"):
            self.run.connection.execute(f"create or replace temp table {table} (id integer, number integer)")
        return False

    def forget(self, thing: str) -> None:
        enums = levels.COMPANY_LEVELS if thing == "company" else levels.CONTACT_LEVELS
        columns = "".join(
            f", {name} enum({', '.join(repr(level) for level in values)})" for name, values in enums.items()
        )
        for table, shape in {
            "record": "record_key varchar, seen ubigint, number integer, is_alone boolean",
            "key": "value ubigint, number integer",
            "full": "value ubigint, kind varchar, records bigint",
            "pair": f"a integer, b integer{columns}",
        }.items():
            self.run.connection.execute(f"create or replace table {self.schema}.{thing}_{table} ({shape})")

    def seen(self, records: str) -> str:
        """Every column of a record that a key or a level reads, counts by class."""
        columns = [row[0] for row in self.run.connection.execute(f"describe {records}").fetchall()]
        classes = CLASSES[records]
        read = [f"r.{name}" for name in columns if name not in {"id", "record_key", *classes, *COUNTED}]
        read += [f"r.{name} > {self.run.names[limit]}" for name, limits in classes.items() for limit in limits]
        return ", ".join(read)

    def keep_keys(self) -> None:
        """Of a run from the start, before the pairs are made of them: a number is then the record's own."""
        table = f"{self.schema}.{self.names['thing']}_key"
        self.run.connection.execute(f"insert into {table} select value, id from match_key")

    def keep_full(self) -> None:
        self.run.connection.execute(f"insert into {self.schema}.{self.names['thing']}_full from match_full")

    def keep_pairs(self) -> None:
        """The levels of pairs that are as they were, beside those of the pairs that were just compared."""
        features = levels.CONTACT_LEVELS if self.names["thing"] == "contact" else levels.COMPANY_LEVELS
        columns = [f"p.{name}" for name in features]
        if self.names["thing"] == "contact":
            counted = (
                "match_namesakes(greatest(a.given_records, b.given_records),"
                " greatest(a.family_records, b.family_records), (select count(*) from match_contact))"
            )
            columns[list(features).index("namesakes")] = (
                f"case when p.namesakes in ({', '.join(BINS)}) then {counted} else p.namesakes::varchar end"
            )
        named = ", ".join(f"{column} as {name}" for column, name in zip(columns, features, strict=True))
        self.run.run("memory_keep", **self.names, levels=named)

    def learn(self) -> None:
        weights = self.run.weights
        if self.names["thing"] == "contact":
            features = list(levels.CONTACT_LEVELS)
            self.lifts()
            lifted = "t.at_namesakes = match_level.namesakes::varchar and t.at_company = match_level.company::varchar"
            possible = (
                f"s.merge_score + coalesce(t.merge, 0) >= {weights.review_score - ROUNDING}"
                f" or s.person_score + coalesce(t.person, 0) >= {weights.person_score - ROUNDING}"
            )
        else:
            features = list(levels.COMPANY_LEVELS)
            self.run.connection.execute("create or replace temp table match_lift (at_namesakes varchar)")
            lifted, possible = "false", f"s.score >= {weights.company_review_score - ROUNDING}"
        self.run.run("memory_learn", **self.names, features=", ".join(features), lifted=lifted, possible=possible)

    def lifts(self) -> None:
        """What a pair could still win if its namesakes were as many as suits it best."""
        cards = {"merge": self.run.weights.merge, "person": self.run.weights.person}
        pairs = [(bin_, company) for bin_ in levels.NAMESAKES for company in levels.CONTACT_LEVELS["company"]]

        def points(name: str, bin_: str, company: str) -> float:
            card = cards[name]
            both = card.get("namesakes & company", {}).get(f"{bin_} & {company}", 0.0)
            return card.get("namesakes", {}).get(bin_, 0.0) + both

        lifts = {
            name: np.array(
                [
                    max(points(name, other, company) for other in levels.NAMESAKES) - points(name, bin_, company)
                    for bin_, company in pairs
                ]
            )
            for name in cards
        }
        bins, companies = (np.array(values) for values in zip(*pairs, strict=True))
        self.run.table("match_lift", at_namesakes=bins, at_company=companies, **lifts)
