"""Points learned from labels and moved by rulings."""

from __future__ import annotations

import duckdb

from analysis.matching import Weights, train
from bench import matching as bench


def test_evidence_that_tells_two_from_one_gets_the_points():
    counts = {("same", "same"): [1, 90], ("same", "different"): [40, 60], ("different", "same"): [90, 1]}
    card, start = train.fit(counts, ["email", "city"], [])
    assert card["email"]["same"] > 1 > -1 > card["email"]["different"]
    assert start + card["email"]["same"] + card["city"]["same"] > 2


def test_rulings_move_what_they_saw_and_nothing_else():
    card = {"email": {"same": 3.0, "different": -3.0}, "city": {"same": 1.0}}
    few = train.move(card, 0.0, {("same", "different"): [2, 0]}, ["email", "city"], [])
    many = train.move(card, 0.0, {("same", "different"): [200, 0]}, ["email", "city"], [])
    assert 3.0 > few["email"]["same"] > many["email"]["same"]
    assert (many["email"]["different"], many["city"]["same"]) == (-3.0, 1.0)


def test_rulings_on_contacts_become_weights_that_follow_them(tmp_path):
    """A house that says of every pair of two telephones `different` gets fewer of them."""
    directory = bench.generate("1k", "default", 5, tmp_path)
    connection = duckdb.connect()
    for name in ("contacts", "companies", "contact_labels"):
        connection.execute(f"create table {name} as from '{directory / name}.parquet'")
    connection.execute(
        "create table rulings as select x.record_key as left_key, y.record_key as right_key, 'different' as ruling"
        " from contacts as x join contacts as y on lower(x.email) = lower(y.email) and x.record_key < y.record_key"
        " where x.phone <> y.phone"
    )
    base = Weights.load()
    moved = train.train_on_rulings(
        connection, contacts="contacts", companies="companies", rulings="rulings", base=base, version="mine"
    )
    assert moved.merge["phone"]["different"] < base.merge["phone"]["different"]
    assert moved.person["phone"]["different"] < base.person["phone"]["different"]
    assert moved.company == base.company
    assert (moved.version, moved.automatic_score) == ("mine", base.automatic_score)
    assert "rulings" in moved.training


def test_the_file_says_what_it_was_trained_on(tmp_path):
    weights = Weights.load()
    weights.save(tmp_path / "w.json")
    assert Weights.load(tmp_path / "w.json") == weights
    assert weights.version
    assert "seed 7" in weights.training


def test_the_bands_are_in_order():
    weights = Weights.load()
    assert weights.review_score < weights.automatic_score < weights.certain_score
