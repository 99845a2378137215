"""Weights from labels: a logistic regression on the comparison levels, so that every point can be read.

    python -m analysis.matching.train --labelled DIRECTORY... [--out weights.json]

A directory holds contacts and companies (Parquet) in the columns that `resolve` reads, contact_labels (record_key,
cluster: one person at one employer, person) and company_labels (record_key, cluster).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from analysis.matching import levels
from analysis.matching.engine import COMPANY_TOGETHER, CONTACT_TOGETHER, Matching
from analysis.matching.weights import SHIPPED, Card, Weights

STRENGTH = 1.0
"""Inverse of the L2 penalty. The penalty is what keeps a level with three examples from deciding alone."""
SMALLEST = 0.02
"""Points below this are left out of the file."""

Counts = dict[tuple[str, ...], list[int]]
"""levels -> [pairs that are two, pairs that are one]"""


def fit(
    counts: Counts, features: list[str], together: list[tuple[str, str]], strength: float = STRENGTH
) -> tuple[Card, float]:
    """One card, and where its score starts: the odds when no level has points."""
    position = {name: number for number, name in enumerate(features)}
    terms: list[tuple[str, ...]] = [(name,) for name in features] + list(together)
    columns: dict[tuple[str, str], int] = {}
    rows: list[list[int]] = []
    for pattern in counts:
        row = []
        for term in terms:
            level = " & ".join(pattern[position[name]] for name in term)
            row.append(columns.setdefault((" & ".join(term), level), len(columns)))
        rows.append(row)
    size, width = len(rows), len(terms)
    design = csr_matrix(
        (np.ones(size * width), np.array(rows).ravel(), np.arange(0, size * width + 1, width)),
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
            run.run("companies", companies="labelled_companies")
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
    parser.add_argument("--labelled", nargs="+", type=Path, required=True)
    parser.add_argument("--training", default="", help="what the labels are, in words")
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    base = Weights.load(options.out) if options.out.exists() else Weights("0", "", {}, {}, {}, 0.0, 0.0, 0.0)
    train(options.labelled, options.version, options.training, base).save(options.out)


if __name__ == "__main__":
    main()
