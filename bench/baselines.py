"""What others make of the same rows: e-mail equality, rapidfuzz, recordlinkage, Splink, beside the engine, in one run.

    .venv/bin/pip install '.[bench]'          rather in an environment of its own
    python -m bench.baselines [--sets crm-10k crm-100k febrl3 febrl4 fake-1000] [--fake-1000 FILE] [--write]

Whatever is chosen or learned (a threshold, the engine's weights for sets that have no employers) comes from one half of
the true groups; the figures are those of the other half. Clusters are connected pairs, for the engine guarded ones.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from analysis.matching import Weights, train
from analysis.matching.clusters import Clusters
from analysis.matching.engine import Matching
from bench import matching

TABLE = Path(__file__).with_suffix(".md")
LARGEST_BLOCK = 60
"""Records on one value of a block; larger ones are left out for everybody."""


@dataclass
class Set:
    """`people`: one row per record, id from 0, group, half (0 learns, 1 reports), and the fields."""

    people: pandas.DataFrame
    key: str
    """What the trade matches on."""
    words: list[str]
    blocks: list[str]
    labelled: Path | None = None
    """Contacts, for the engine's own comparison."""


Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""first, second, score"""


def closed(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def judged(data: Set, labels: np.ndarray, half: int) -> dict[str, float]:
    part = pandas.DataFrame({"found": labels, "true": data.people["group"]})[data.people["half"] == half]

    def pairs(*columns: str) -> float:
        sizes = part.groupby(list(columns)).size()
        return float((sizes * (sizes - 1) / 2).sum())

    return matching.rates(pairs("found"), pairs("found", "true"), pairs("true"))


def at_best_threshold(data: Set, pairs: Pairs) -> dict[str, float]:
    """The threshold is the best of the learning half."""
    first, second, score = pairs
    best, labels = -1.0, np.arange(len(data.people))
    for threshold in np.unique(np.quantile(score, np.linspace(0, 1, 60))) if len(score) else []:
        taken = score >= threshold
        found = closed(len(data.people), first[taken], second[taken])
        if (f1 := judged(data, found, 0)["f1"]) > best:
            best, labels = f1, found
    return judged(data, labels, 1)


def candidates(data: Set) -> tuple[np.ndarray, np.ndarray]:
    people = data.people  # noqa: F841  DuckDB reads it by name
    keys = " union all ".join(
        f"select id, hash({n}, {block}) as k from people where ({block}) is not null"
        for n, block in enumerate(data.blocks)
    )
    found = duckdb.sql(
        f"with keys as ({keys}), live as (select k from keys group by k having count(*) between 2 and {LARGEST_BLOCK}),"
        " used as (select id, k from keys semi join live using (k))"
        " select distinct x.id as a, y.id as b from used as x join used as y on x.k = y.k and x.id < y.id"
    ).fetchnumpy()
    return found["a"], found["b"]


# --- the others -----------------------------------------------------------------------------------------------------


def equal_key(data: Set) -> dict[str, float]:
    keys = data.people[data.key]
    codes = keys.astype("category").cat.codes.to_numpy()
    return judged(data, np.where(codes < 0, -1 - np.arange(len(codes)), codes), 1)


def rapidfuzz(data: Set) -> dict[str, float]:
    from rapidfuzz import fuzz
    from rapidfuzz.process import cpdist

    first, second = candidates(data)
    texts = data.people[data.words].fillna("").agg(" ".join, axis=1).to_numpy()
    return at_best_threshold(
        data, (first, second, cpdist(texts[first], texts[second], scorer=fuzz.token_sort_ratio, workers=2))
    )


def recordlinkage(data: Set) -> dict[str, float]:
    import recordlinkage as rl

    compare = rl.Compare()
    for field in data.words:
        compare.string(field, field, method="jarowinkler", threshold=0.88, missing_value=0)
    index = pandas.MultiIndex.from_arrays(candidates(data))
    links = rl.ECMClassifier().fit_predict(compare.compute(index, data.people))
    return judged(data, closed(len(data.people), *(links.get_level_values(n).to_numpy() for n in (0, 1))), 1)


def splink(data: Set) -> dict[str, float]:
    """As in its demonstrations: Jaro-Winkler at two thresholds a field, u by sampling, m by EM over two blocks."""
    import splink.comparison_library as compare
    from splink import DuckDBAPI, Linker, SettingsCreator

    logging.disable(logging.WARNING)
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        comparisons=[
            compare.EmailComparison(field) if field == "email" else compare.JaroWinklerAtThresholds(field, [0.92, 0.8])
            for field in data.words
        ],
        blocking_rules_to_generate_predictions=[
            " and ".join(f"l.{part} = r.{part}" for part in block) for block in _plain_blocks(data)
        ],
    )
    api = DuckDBAPI()
    people = data.people.drop(columns=["group", "half"])
    linker = Linker(api.register(people, table_name="people"), settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for block in (data.words[0], data.words[1]):
        linker.training.estimate_parameters_using_expectation_maximisation(f"l.{block} = r.{block}", max_pairs=1e6)
    found = linker.inference.predict(threshold_match_probability=0.01).as_duckdbpyrelation()
    columns = found.project("id_l::bigint as a, id_r::bigint as b, match_weight as s").fetchnumpy()
    return at_best_threshold(data, (columns["a"], columns["b"], columns["s"]))


def _plain_blocks(data: Set) -> list[tuple[str, ...]]:
    words = data.words
    narrow = [(data.key,), (words[0], words[1]), *((words[1], other) for other in words[2:]), (words[0], words[2])]
    wide = [(word,) for word in words[:3]] if len(data.people) <= LARGE else []
    return [*wide, *narrow]


# --- the engine -----------------------------------------------------------------------------------------------------


def contacts_engine(data: Set) -> dict[str, float]:
    """As shipped: trained on another seed, nothing chosen here."""
    assert data.labelled is not None
    with duckdb.connect(config={"threads": 2}) as connection:
        for name in ("contacts", "companies"):
            connection.execute(f"create table {name} as from '{data.labelled / name}.parquet'")
        run = Matching(connection, Weights.load(), "matches")
        run.prepare(None)
        run.companies("companies")
        run.contacts("contacts")
        found = dict(connection.execute("select record_key, cluster_key from matches_contact_clusters").fetchall())
    labels = data.people["record_key"].map(found).astype("category").cat.codes.to_numpy()
    return judged(data, labels, 1)


def people_engine(data: Set) -> dict[str, float]:
    """Its levels, scorecard and clusters, on the fields that the set has: weights from the learning half."""
    connection = duckdb.connect(config={"threads": 2})
    Matching(connection, Weights.load(), "m").prepare(None)
    people = data.people  # noqa: F841  DuckDB reads it by name
    first, second = candidates(data)
    connection.register("pairs", {"a": first, "b": second})
    level = (
        "case when x.{0} is null or y.{0} is null then 'missing' when x.{0} = y.{0} then 'same'"
        " when match_slip(x.{0}, y.{0}) then 'one letter apart'"
        " when jaro_winkler_similarity(x.{0}, y.{0}) >= 0.9 then 'near'"
        " when jaro_winkler_similarity(x.{0}, y.{0}) >= 0.75 then 'alike' else 'different' end as {0}"
    )
    given, family = data.words[:2]
    turned = f"(x.{given} = y.{family} or x.{family} = y.{given})"
    levels = ", ".join(level.format(field) for field in data.words)
    rows = connection.execute(
        'select a, b, x.half + y.half as halves, x."group" = y."group" as is_one,'
        f" {levels},"
        f" case when {turned} then 'turned' else 'straight' end as names"
        " from pairs join people as x on a = x.id join people as y on b = y.id order by a, b"
    ).fetchall()
    features, together = [*data.words, "names"], [(given, family)]
    counts: train.Counts = {}
    for row in rows:
        if row[2] == 0:
            counts.setdefault(row[4:], [0, 0])[bool(row[3])] += 1
    card, start = train.fit(counts, features, together)

    def score(levels: tuple[str, ...]) -> float:
        known = dict(zip(features, levels, strict=True))
        pair = card.get(f"{given} & {family}", {}).get(f"{known[given]} & {known[family]}", 0.0)
        return start + pair + sum(card.get(name, {}).get(level, 0.0) for name, level in known.items())

    scores = {pattern: score(pattern) for pattern in {row[4:] for row in rows}}
    clusters = Clusters(len(data.people), 15)
    for row in sorted(rows, key=lambda row: (-scores[row[4:]], row[0], row[1])):
        if scores[row[4:]] >= 0:
            clusters.join(row[0], row[1])
    return judged(data, clusters.labels(), 1)


# --- the sets -------------------------------------------------------------------------------------------------------


def halved(people: pandas.DataFrame) -> pandas.DataFrame:
    """Whole groups go to one half or the other."""
    people = people.reset_index(drop=True)
    people["id"] = np.arange(len(people))
    people["group"] = people["group"].astype("category").cat.codes.astype("int64")
    people["half"] = (pandas.util.hash_array(people["group"].to_numpy()) % 2).astype("int64")
    return people


def crm(size: str, seed: int, directory: Path) -> Set:
    """For the others too in our normalised columns: raw ones would measure the cleaning."""
    labelled = matching.generate(size, "default", seed, directory)
    with duckdb.connect() as connection:
        for name in ("contacts", "companies", "contact_labels"):
            connection.execute(f"create table {name} as from '{labelled / name}.parquet'")
        run = Matching(connection, Weights.load(), "m")
        run.prepare(None)
        run.companies("companies")
        run.read_contacts("contacts")
        people = connection.execute(
            "select c.record_key, formal as given, c.last_name as family, mailbox as email, c.phone, c.company, c.city,"
            ' lower(trim(raw.email)) as raw_email, l.cluster as "group" from match_contact as c'
            " join contact_labels as l using (record_key) join contacts as raw using (record_key) order by record_key"
        ).df()
    blocks = ["email", "phone", "given || family", "family || company", "given || company", "family || city"]
    return Set(halved(people), "raw_email", ["given", "family", "email", "phone", "company", "city"], blocks, labelled)


FEBRL_FIELDS = ["given_name", "surname", "date_of_birth", "address_1", "suburb", "postcode", "soc_sec_id"]
FEBRL_BLOCKS = [
    "soc_sec_id",
    "given_name || surname",
    "date_of_birth",
    "surname || postcode",
    "given_name || postcode",
    "address_1 || suburb",
    "given_name || suburb",
]


def febrl(number: int) -> Set:
    from recordlinkage import datasets

    loaded = datasets.load_febrl3() if number == 3 else pandas.concat(datasets.load_febrl4())
    people = loaded.reset_index()
    people["group"] = people["rec_id"].str.extract(r"rec-(\d+)-")[0]
    people = people[[*FEBRL_FIELDS, "group"]].map(
        lambda value: value.strip() or None if isinstance(value, str) else value
    )
    return Set(halved(people), "soc_sec_id", FEBRL_FIELDS, FEBRL_BLOCKS)


def fake_1000(file: Path) -> Set:
    people = pandas.read_csv(file, dtype=str).rename(columns={"cluster": "group"}).drop(columns="unique_id")
    people = people.map(lambda value: value.strip().lower() if isinstance(value, str) and value.strip() else None)
    names = ["first_name || surname", "surname || first_name", "surname || city", "first_name || city"]
    blocks = [
        *names,
        "email",
        "split_part(email, '@', 1)",
        "dob",
        "surname || left(dob, 4)",
        "first_name || left(dob, 4)",
    ]
    return Set(halved(people), "email", ["first_name", "surname", "dob", "city", "email"], blocks)


METHODS: dict[str, Callable[[Set], dict[str, float]]] = {
    "key equality": equal_key,
    "rapidfuzz, best threshold": rapidfuzz,
    "recordlinkage ECM": recordlinkage,
    "Splink, best threshold": splink,
}
LARGE = 50_000
"""Records from which recordlinkage is left out, and single names are no blocks for Splink."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["crm-10k", "crm-100k", "febrl3", "febrl4", "fake-1000"])
    parser.add_argument("--fake-1000", type=Path, help="Splink's fake_1000.csv")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "bench-matching")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    options = parser.parse_args()
    makers: dict[str, Callable[[], Set]] = {
        "crm-10k": lambda: crm("10k", options.seed, options.data),
        "crm-100k": lambda: crm("100k", options.seed, options.data),
        "febrl3": lambda: febrl(3),
        "febrl4": lambda: febrl(4),
        "fake-1000": lambda: fake_1000(options.fake_1000),
    }
    names = [name for name in options.sets if name != "fake-1000" or options.fake_1000]
    cells: dict[str, dict[str, str]] = {}
    for name in names:
        data = makers[name]()
        engine = contacts_engine if data.labelled else people_engine
        for method, function in {**METHODS, "this engine": engine}.items():
            if function is recordlinkage and len(data.people) > LARGE:
                continue
            started = time.process_time()
            found = function(data)
            cpu = time.process_time() - started
            cells.setdefault(method, {})[name] = f"{matching.prf(found)}, {cpu:.1f} s"
            print(name, method, cells[method][name], flush=True)
    lines = [
        "# Who is who: beside others",
        "",
        f"Written by `python -m bench.baselines --write`, seed {options.seed}. Precision / recall / F1 by pair after",
        "closure, CPU-seconds, on the half of the true groups from which nothing was chosen or learned. The others get",
        "our normalised columns; key equality is on the address as it was typed (febrl: the social security number).",
        "On febrl and fake_1000, without employers, the engine has a comparison of its own, learned on the other half.",
        "",
        *matching.table(
            ["", *names], [[method, *(row.get(name, "") for name in names)] for method, row in cells.items()]
        ),
    ]
    if options.write:
        TABLE.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
