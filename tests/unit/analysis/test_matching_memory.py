"""A night with a memory gives what a night without one gives, whatever happened between the nights."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.matching import Weights, engine, memory, resolve
from analysis.matching.engine import Matching
from analysis.matching.levels import NAMESAKES

RESULTS = ("company_clusters", "company_pairs", "contact_clusters", "contact_pairs", "uncompared")
CONTACT = (
    "record_key source created_at updated_at first_name last_name email phone mobile_phone company_name"
    " company_record_key title city country"
).split()
COMPANY = "record_key source created_at name domain legal_id country city phone".split()
FIRST = "Anna Anne Ann Lars Lasse Erik Eric Maria A. Info Karin Bo".split()
LAST = "Lind Lindh Berg Holm Olsson Ohlson Li".split()
FIRMS = "Alfa Bygg AB,Alfa Bygg Sverige AB,Alfa,Beta Oy,Beta Data Oy,Gamma".split(",")
DOMAINS = "alfa.se beta.fi gamma.com gmail.com gmial.com alfabygg.se".split()
CITIES = ["Lund", "Göteborg", "Gothenburg", None]


BARE = {"email": "info@delta.se"}  # compared with its like alone, and with nobody once they are too many
CAPS = {"match_contact": 6, "match_company": 5}


class House:
    """Contacts, companies and rulings of a firm whose people know few names, so that all of it crowds together."""

    def __init__(self, seed: int, size: int) -> None:
        self.draw = random.Random(seed)
        self.contacts: dict[str, dict] = {}
        self.companies: dict[str, dict] = {}
        self.rulings: dict[tuple[str, str], str] = {}
        self.made = size
        self.companies |= {f"f{n}": self.company() for n in range(size // 8)}
        self.contacts |= {f"p{n}": self.contact() for n in range(size)}
        self.contacts |= {f"b{n}": dict(BARE) for n in range(CAPS["match_contact"])}

    def contact(self) -> dict:
        pick = self.draw.choice
        kind = self.draw.random()
        if kind < 0.02:
            return dict(BARE)
        if kind < 0.2:  # more copies of one person than are compared pair by pair
            copy = {"first_name": "Karin", "last_name": "Ek", "email": "karin.ek@ek.se", "phone": "0709999999"}
            return {"created_at": f"2030-01-0{self.draw.randrange(1, 9)} 00:00:00", **copy}
        first, last = pick(FIRST), pick(LAST)
        local = pick([f"{first}.{last}", first, f"{first[0]}{last}", f"{first}.{last}2", "info"]).lower()
        return {
            "created_at": pick([f"2030-01-{day:02} 00:00:00" for day in range(1, 9)] + [None]),
            "updated_at": "2030-02-01 00:00:00",
            "first_name": pick([first, first, first, None]),
            "last_name": last,
            "email": pick([f"{local}@{pick(DOMAINS)}", None]),
            "phone": pick([f"070123456{self.draw.randrange(6)}", "08123456", None]),
            "mobile_phone": pick([f"070123456{self.draw.randrange(6)}", None, None]),
            "company_name": pick([*FIRMS, None]),
            "company_record_key": pick([*self.companies, None]),
            "title": pick(["VD", "CEO", None]),
            "city": pick(CITIES),
        }

    def company(self) -> dict:
        pick = self.draw.choice
        return {
            "created_at": pick(["2030-01-01 00:00:00", "2030-01-02 00:00:00", None]),
            "name": pick(FIRMS),
            "domain": pick([*DOMAINS, None]),
            "legal_id": pick(["5560001", "5560002", None, None]),
            "country": pick(["SE", "FI", None]),
            "city": pick(CITIES),
            "phone": pick(["08123456", "09765432", None]),
        }

    def change(self, times: int) -> None:
        for _ in range(times):
            records, make = self.draw.choice([(self.contacts, self.contact)] * 3 + [(self.companies, self.company)])
            what = self.draw.random()
            if what < 0.3 or len(records) < 4:
                self.made += 1
                records[f"r{self.made}"] = make()
            elif what < 0.5:
                new = make()
                records[self.draw.choice(sorted(records))].update([self.draw.choice(sorted(new.items(), key=str))])
            elif what < 0.65:  # removed, or merged away in its CRM
                del records[self.draw.choice(sorted(records))]
            elif what < 0.75 and self.rulings:
                del self.rulings[self.draw.choice(sorted(self.rulings))]
            else:
                left, right = sorted(self.draw.sample(sorted(records), 2))
                if not any({left, right} & set(pair) for pair in self.rulings):  # no contradictions here
                    self.rulings[left, right] = self.draw.choice(["same", "different", "keep_apart"])

    def put(self, connection: duckdb.DuckDBPyConnection) -> None:
        for name, columns, records in (("contacts", CONTACT, self.contacts), ("companies", COMPANY, self.companies)):
            shape = ", ".join(f"{c} {'timestamptz' if c.endswith('_at') else 'varchar'}" for c in columns)
            connection.execute(f"create or replace table {name} ({shape})")
            rows = [
                [{"record_key": key, **record}.get(column) for column in columns] for key, record in records.items()
            ]
            if rows:
                marks = ", ".join(f"({', '.join('?' * len(columns))})" for _ in rows)
                connection.execute(f"insert into {name} values {marks}", [value for row in rows for value in row])
        connection.execute("create or replace table rulings (left_key varchar, right_key varchar, ruling varchar)")
        if self.rulings:
            rows = [[*pair, ruling] for pair, ruling in self.rulings.items()]
            connection.executemany("insert into rulings values (?, ?, ?)", rows)


def decided_by_namesakes() -> Weights:
    """In a small house the count of namesakes decides nothing. Here it does."""
    shipped = Weights.load()
    points = {level: 4.0 - 3.0 * (number % 3) for number, level in enumerate(NAMESAKES)}
    return replace(shipped, merge=shipped.merge | {"namesakes": points}, person=shipped.person | {"namesakes": points})


def run(
    connection: duckdb.DuckDBPyConnection, into: str, known: Path | None, weights: Weights | None = None
) -> engine.Report:
    relations = {name: name for name in ("contacts", "companies", "rulings")}
    return resolve(connection, **relations, into=into, weights=weights or decided_by_namesakes(), memory=known)


def differences(connection: duckdb.DuckDBPyConnection) -> list:
    found = []
    for name in RESULTS:
        for one, other in (("kept", "anew"), ("anew", "kept")):
            rows = connection.execute(f"from {one}_{name} except all from {other}_{name}").fetchall()
            found += [(name, one, row) for row in rows]
    return found


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 10**6))
def test_whatever_happened_a_night_with_a_memory_gives_what_one_without_gives(seed):
    """Records come, change and go, companies fuse, rulings are made and lifted."""
    house = House(seed, 120)
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection, tempfile.TemporaryDirectory() as folder:
        patch.setattr(engine, "CAPS", CAPS)  # so low that values cross them
        patch.setattr(memory, "LARGEST_CHANGE", 10.0)
        known = Path(folder) / "known.duckdb"
        house.put(connection)
        assert run(connection, "kept", known).recalled == {}
        house.contacts["b"] = dict(BARE)
        for size in (6, 25):
            house.change(size)
            house.put(connection)
            assert set(run(connection, "kept", known).recalled) == {"company", "contact"}
        run(connection, "anew", None)
        assert differences(connection) == []


def test_a_memory_that_cannot_be_used_is_a_run_from_the_start(tmp_path, caplog):
    """Of other code, broken, no database at all, or of a house that was half as large: no result differs."""
    known = tmp_path / "known.duckdb"
    house = House(3, 40)
    with duckdb.connect() as connection:
        house.put(connection)
        run(connection, "kept", known)
        with duckdb.connect(str(known)) as other:
            other.execute("update written_by set fingerprint = 'of last year'")
        assert run(connection, "kept", known).recalled == {}
        assert not caplog.messages
        with duckdb.connect(str(known)) as other:
            other.execute("drop table contact_key")
        assert run(connection, "kept", known).recalled == {}
        assert "from the start" in caplog.messages[-1]
        known.write_text("this is no database")
        assert run(connection, "kept", known).recalled == {}
        assert "from the start" in caplog.messages[-1]
        run(connection, "kept", known)
        house.contacts |= {f"more{n}": house.contact() for n in range(40)}
        house.put(connection)
        assert set(run(connection, "kept", known).recalled) == {"company"}
        run(connection, "anew", None)
        assert differences(connection) == []


def test_who_is_compared_with_nobody_is_known_from_night_to_night(tmp_path, monkeypatch):
    """Records of one mailbox alone: once they are too many for it nobody is compared, and each is counted."""
    monkeypatch.setattr(engine, "CAPS", CAPS)
    monkeypatch.setattr(memory, "LARGEST_CHANGE", 10.0)
    house, full = House(1, 0), CAPS["match_contact"]
    other = {"first_name": "Karin", "last_name": "Ek"}
    nights = [  # who comes, who goes, how many are alone then
        ([], [], 0),
        (["over the limit"], [], full + 1),
        (["one more"], [], full + 2),
        ([], [], full + 2),
        ([], ["b0", "b1"], 0),
        ([], [], 0),
    ]
    with duckdb.connect() as connection:
        for number, (come, go, alone) in enumerate(nights):
            house.contacts |= {key: dict(BARE) for key in come} | {f"night {number}": dict(other)}
            for key in go:
                del house.contacts[key]
            house.put(connection)
            report = run(connection, "kept", tmp_path / "known.duckdb")
            assert (report.uncompared_count, "contact" in report.recalled) == (alone, number > 0)


def test_a_pair_that_its_many_namesakes_kept_down_comes_up_when_they_are_few(tmp_path, monkeypatch):
    """Neither record has changed, and no key of theirs: only the house has grown around them."""
    monkeypatch.setattr(memory, "LARGEST_CHANGE", 100.0)
    shipped = Weights.load()
    card = {term: points for term, points in shipped.merge.items() if term != "namesakes & company"}
    weights = replace(
        shipped, merge=card | {"namesakes": {"10^-0.5": -30.0, "10^-1.5": 3.0}}, person={}, person_start=-9.0
    )
    house, pair = House(1, 0), {"first_name": "Karin", "last_name": "Ek", "phone": "0701234567"}
    house.contacts |= {"x": dict(pair), "y": dict(pair)}  # 2 x 2 of 8 records: by chance 0.5, and 0.05 of 80
    found = []
    with duckdb.connect() as connection:
        for _ in range(2):
            house.put(connection)
            report = run(connection, "kept", tmp_path / "known.duckdb", weights)
            found += connection.execute(
                "select band, is_joined from kept_contact_pairs where left_key = 'x'"
            ).fetchall()
            house.contacts |= {f"new{n}": {"first_name": f"F{n}", "last_name": f"L{n}"} for n in range(72)}
    assert report.recalled["contact"] == (8, 72, 0)
    assert found == [("automatic", True)]


def test_what_a_pair_can_still_win_is_the_way_to_its_best_count_of_namesakes():
    both = {f"{NAMESAKES[4]} & different": 5.0, f"{NAMESAKES[0]} & same record": -9.0}
    card = {"namesakes": {NAMESAKES[0]: 4.0, NAMESAKES[1]: 1.0, NAMESAKES[-1]: -2.0}, "namesakes & company": both}
    weights = replace(Weights.load(), merge=card, person={})
    with duckdb.connect() as connection:
        Matching(connection, weights, "m", memory="unused").memory.lifts()
        rows = connection.execute("select at_namesakes, at_company, merge, person from match_lift").fetchall()
    won = {(namesakes, company): merge for namesakes, company, merge, _ in rows}
    assert won[NAMESAKES[0], "missing"] == 0
    assert won[NAMESAKES[-1], "missing"] == 4 - -2
    assert won[NAMESAKES[0], "different"] == 5 - 4
    assert won[NAMESAKES[4], "different"] == 0
    assert won[NAMESAKES[0], "same record"] == 1 - (4 - 9)
    assert {person for *_, person in rows} == {0}
    assert {namesakes for namesakes, _ in won} == set(NAMESAKES)
