# grain: one row per judged week of a series, or line of what a shift sits in; `result` says which
# The engine gives two tables and a model is one: stacked here, taken apart by kpi.signals and kpi.signal_causes.
from analysis.signals import judge_company


def model(dbt, session):
    inputs = {
        "facts": dbt.ref("int_signals__facts"),
        "series": dbt.ref("int_signals__series"),
        "weeks": dbt.ref("int_signals__weeks"),
        "faults": dbt.ref("int_signals__faults"),
        "stages": dbt.ref("int_signals__stages"),
    }
    for name, relation in inputs.items():
        session.register(f"source_signals_{name}", relation)
    judge_company(session, **{name: f"source_signals_{name}" for name in inputs})
    results = {"week": "signals_weeks", "cause": "signals_causes"}
    stacked = (f"select '{name}' as result, * from {table}" for name, table in results.items())
    return session.query(" union all by name ".join(stacked))
