# grain: one row per result of the matching engine: record and its cluster, or compared pair; `result` says which
# The engine gives four tables and a model is one: stacked here, taken apart by the models *_clusters and *_pairs.
from analysis.matching import resolve

RESULTS = ("company_clusters", "company_pairs", "contact_clusters", "contact_pairs")


def model(dbt, session):
    inputs = {
        "contacts": dbt.ref("int_matching__contacts"),
        "companies": dbt.ref("int_matching__companies"),
        "rulings": dbt.ref("int_matching__rulings"),
    }
    for name, relation in inputs.items():
        session.register(f"source_{name}", relation)
    resolve(session, **{name: f"source_{name}" for name in inputs}, country=dbt.config.get("company_country"))
    stacked = " union all by name ".join(f"select '{name}' as result, * from matches_{name}" for name in RESULTS)
    return session.query(stacked)
