"""Weights from labels: a logistic regression on the comparison levels, so that every point can be read.

    python -m analysis.matching.train --labelled DIRECTORY... [--out weights.json]     from the start
    python -m analysis.matching.train --ruled DIRECTORY [--out weights.json]           the file, moved by rulings

A directory holds contacts and companies (Parquet) in the columns that `resolve` reads, contact_labels (record_key,
cluster: one person at one employer, person) and company_labels (record_key, cluster); or rulings, as `resolve` reads
them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from analysis.matching import levels
from analysis.matching.engine import Matching
from analysis.matching.scorecard import COMPANY_TOGETHER, CONTACT_TOGETHER
from analysis.matching.weights import SHIPPED, Card, Weights

STRENGTH = 1.0
"""Inverse of the L2 penalty. The penalty is what keeps a level with three examples from deciding alone."""
RULED_STRENGTH = 0.25
"""The same for rulings, around the points that the file has."""
SMALLEST = 0.02
"""Points below this are left out of the file."""

Counts = dict[tuple[str, ...], list[int]]
"""levels -> [pairs that are two, pairs that are one]"""


def indicators(
    counts: Counts, features: list[str], together: list[tuple[str, str]]
) -> tuple[dict[tuple[str, str], int], NDArray[np.int64]]:
    """A number for every term and level that occurs; for every pattern the numbers of its own."""
    names = [*features, *(f"{one} & {other}" for one, other in together)]
    columns: dict[tuple[str, str], int] = {}
    rows = []
    for pattern in counts:
        known = dict(zip(features, pattern, strict=True))
        found = [*pattern, *(f"{known[one]} & {known[other]}" for one, other in together)]
        rows.append([columns.setdefault(key, len(columns)) for key in zip(names, found, strict=True)])
    return columns, np.array(rows)


def fit(
    counts: Counts, features: list[str], together: list[tuple[str, str]], strength: float = STRENGTH
) -> tuple[Card, float]:
    """One card, and where its score starts: the odds when no level has points."""
    columns, rows = indicators(counts, features, together)
    size, width = rows.shape
    design = csr_matrix(
        (np.ones(size * width), rows.ravel(), np.arange(0, size * width + 1, width)),
        shape=(size, len(columns)),
    )
    totals = np.array(list(counts.values()), dtype=float)
    both = csr_matrix(
        (
            np.tile(design.data, 2),
            np.tile(design.indices, 2),
            np.concatenate([design.indptr, design.indptr[1:] + design.indptr[-1]]),
        ),
        shape=(2 * size, len(columns)),
    )
    answers = np.repeat([0, 1], size)
    model = LogisticRegression(C=strength, max_iter=2000, tol=1e-5)
    model.fit(both, answers, sample_weight=np.concatenate([totals[:, 0], totals[:, 1]]))
    card: Card = {}
    for (name, level), column in columns.items():
        if abs(points := float(model.coef_[0][column])) >= SMALLEST:
            card.setdefault(name, {})[level] = round(points, 3)
    return card, round(float(model.intercept_[0]), 3)


def move(card: Card, start: float, counts: Counts, features: list[str], together: list[tuple[str, str]]) -> Card:
    """The card, moved towards what rulings say: few of them move it little, and only on the levels that they saw.

    Pairs that were ruled on are those that were in doubt. That is no bias here: the card's own score is counted first.
    """
    columns, picked = indicators(counts, features, together)
    known = np.array([card.get(name, {}).get(level, 0.0) for name, level in columns])
    two, one = np.array(list(counts.values()), dtype=float).T

    def loss(moved: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = start + (known + moved)[picked].sum(axis=1)
        slope = np.zeros(len(moved))
        np.add.at(slope, picked, ((two + one) / (1 + np.exp(-score)) - one)[:, None])
        cost = two @ np.logaddexp(0, score) + one @ np.logaddexp(0, -score) + moved @ moved / (2 * RULED_STRENGTH)
        return float(cost), slope + moved / RULED_STRENGTH

    moved = minimize(loss, np.zeros(len(known)), jac=True, method="L-BFGS-B").x
    new = {name: dict(levels) for name, levels in card.items()}
    for (name, level), points in zip(columns, known + moved, strict=True):
        if abs(points) >= SMALLEST:
            new.setdefault(name, {})[level] = round(float(points), 3)
    return new


def count_ruled(connection: duckdb.DuckDBPyConnection, same: tuple[str, ...], features: list[str]) -> Counts:
    """What the rulings say of the pairs in match_level."""
    names = ", ".join(f"l.{name}::varchar" for name in features)
    rows = connection.execute(
        f"select {names}, count(*) filter (where r.ruling not in {same!r}),"
        f" count(*) filter (where r.ruling in {same!r})"
        " from match_level as l join match_pair_ruling as r on l.a = r.a and l.b = r.b group by all order by all"
    ).fetchall()
    return {row[:-2]: list(row[-2:]) for row in rows}


def train_on_rulings(
    connection: duckdb.DuckDBPyConnection, *, contacts: str, companies: str, rulings: str, base: Weights, version: str
) -> Weights:
    """`base`, moved by what people ruled on these records. Its bands stay: they are judged on labelled sets."""
    run = Matching(connection, base, "trained")
    features, company_features = list(levels.CONTACT_LEVELS), list(levels.COMPANY_LEVELS)
    same, person_same = ("same", ""), ("same", "keep_apart")
    try:
        run.prepare(rulings)
        run.read_companies(companies)
        run.compare_companies()
        company = count_ruled(connection, same, company_features)
        run.companies(companies)
        run.read_contacts(contacts)
        run.run("contact_keys")
        run.pairs("match_contact")
        run.compare_contacts()
        run.run("rulings", records="match_contact")
        merge, person = (count_ruled(connection, which, features) for which in (same, person_same))
    finally:
        run.clear()
    ruled = sum(sum(pair) for counts in (company, merge) for pair in counts.values())
    cards = {
        "company": (base.company, base.company_start, company, company_features, COMPANY_TOGETHER),
        "merge": (base.merge, base.merge_start, merge, features, CONTACT_TOGETHER),
        "person": (base.person, base.person_start, person, features, CONTACT_TOGETHER),
    }
    moved = {name: move(*parts) if parts[2] else parts[0] for name, parts in cards.items()}
    return replace(
        base,
        version=version,
        training=f"{base.training}; moved by {ruled} rulings",
        merge=moved["merge"],
        person=moved["person"],
        company=moved["company"],
    )


def count(connection: duckdb.DuckDBPyConnection, records: str, labels: str, label: str, features: list[str]) -> Counts:
    """What the labels say of the pairs in match_level."""
    names = ", ".join(f"l.{name}::varchar" for name in features)
    rows = connection.execute(
        f"select {names}, count(*) filter (where not is_one), count(*) filter (where is_one) from ("
        f" select l.*, t.{label} = u.{label} as is_one from match_level as l"
        f" join {records} as x on l.a = x.id join {records} as y on l.b = y.id"
        f" join {labels} as t on t.record_key = x.record_key join {labels} as u on u.record_key = y.record_key) as l"
        " group by all order by all"
    ).fetchall()
    return {row[:-2]: list(row[-2:]) for row in rows}


def added(many: Iterable[Counts]) -> Counts:
    total: Counts = {}
    for counts in many:
        for pattern, (two, one) in counts.items():
            entry = total.setdefault(pattern, [0, 0])
            entry[0] += two
            entry[1] += one
    return total


def read(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    for name in ("contacts", "companies", "contact_labels", "company_labels"):
        connection.execute(f"create or replace temp table labelled_{name} as from '{directory / name}.parquet'")


def train(directories: list[Path], version: str, training: str, base: Weights) -> Weights:
    company_features, contact_features = list(levels.COMPANY_LEVELS), list(levels.CONTACT_LEVELS)
    company_counts = []
    for directory in directories:
        with duckdb.connect() as connection:
            read(connection, directory)
            run = Matching(connection, base, "trained")
            run.prepare(None)
            run.read_companies("labelled_companies")
            run.compare_companies()
            company_counts.append(
                count(connection, "match_company", "labelled_company_labels", "cluster", company_features)
            )
    company, company_start = fit(added(company_counts), company_features, COMPANY_TOGETHER)
    weights = replace(base, company=company, company_start=company_start)
    merges, persons = [], []
    for directory in directories:
        with duckdb.connect() as connection:
            read(connection, directory)
            run = Matching(connection, weights, "trained")
            run.prepare(None)
            run.companies("labelled_companies")
            run.read_contacts("labelled_contacts")
            run.run("contact_keys")
            run.pairs("match_contact")
            run.compare_contacts()
            merges.append(count(connection, "match_contact", "labelled_contact_labels", "cluster", contact_features))
            persons.append(count(connection, "match_contact", "labelled_contact_labels", "person", contact_features))
    merge, merge_start = fit(added(merges), contact_features, CONTACT_TOGETHER)
    person, person_start = fit(added(persons), contact_features, CONTACT_TOGETHER)
    return replace(
        weights,
        version=version,
        training=training,
        merge=merge,
        merge_start=merge_start,
        person=person,
        person_start=person_start,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labelled", nargs="+", type=Path)
    source.add_argument("--ruled", type=Path)
    parser.add_argument("--training", default="", help="what the labels are, in words")
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    base = Weights.load(options.out) if options.out.exists() else Weights("0", "", {}, {}, {}, 0.0, 0.0, 0.0)
    if options.labelled:
        train(options.labelled, options.version, options.training, base).save(options.out)
        return
    with duckdb.connect() as connection:
        for name in ("contacts", "companies", "rulings"):
            connection.execute(f"create temp table ruled_{name} as from '{options.ruled / name}.parquet'")
        relations = {name: f"ruled_{name}" for name in ("contacts", "companies", "rulings")}
        train_on_rulings(connection, **relations, base=base, version=options.version).save(options.out)


if __name__ == "__main__":
    main()
