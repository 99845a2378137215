# grain: one row per result of the matching engine: record and its cluster, or compared pair; `result` says which
# The engine gives five tables and a model is one: stacked here, taken apart by the models that are named after them.
# Rulings that contradict each other are kept from the engine, and come out as `contradictions`.
import os
from pathlib import Path

from analysis.matching import resolve
from analysis.matching.rulings import Ruling, set_contradictions_aside

RESULTS = ("company_clusters", "company_pairs", "contact_clusters", "contact_pairs", "contradictions", "uncompared")
TEXT = "varchar not null"


def model(dbt, session):
    inputs = {"contacts": dbt.ref("int_matching__contacts"), "companies": dbt.ref("int_matching__companies")}
    for name, relation in inputs.items():
        session.register(f"source_{name}", relation)
    lines = dbt.ref("int_matching__rulings").project("left_key, right_key, ruling").fetchall()
    standing, contradictions = set_contradictions_aside(Ruling(*line) for line in lines)
    refused = [(*pair, known.explanation) for known in contradictions for pair in known.pairs]
    session.execute(f"create or replace temp table source_rulings (left_key {TEXT}, right_key {TEXT}, ruling {TEXT})")
    session.execute(
        f"create or replace temp table matches_contradictions (left_key {TEXT}, right_key {TEXT}, explanation {TEXT})"
    )
    for table, rows in (("source_rulings", standing), ("matches_contradictions", refused)):
        if rows:
            session.executemany(f"insert into {table} values (?, ?, ?)", [list(row) for row in rows])
    ((country,),) = dbt.ref("int_matching__home").fetchall()
    memory = os.environ.get("SALESOPS_MATCHING")  # a night that looks back has none
    resolve(
        session,
        contacts="source_contacts",
        companies="source_companies",
        rulings="source_rulings",
        country=country,
        memory=Path(memory) if memory else None,
    )
    stacked = " union all by name ".join(f"select '{name}' as result, * from matches_{name}" for name in RESULTS)
    return session.query(stacked)
