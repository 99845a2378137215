# grain: one row per result: forecast, measure of accuracy, or tenth of stated chances; `result` says which
# The forecast gives three tables and a model is one: stacked here, taken apart by the models that are named after them.
from analysis.forecast import forecast

RESULTS = ("forecasts", "accuracy", "calibration")


def model(dbt, session):
    inputs = {
        "spells": dbt.ref("int_kpi__forecast_spells"),
        "periods": dbt.ref("int_kpi__forecast_periods"),
        "targets": dbt.ref("int_kpi__forecast_targets"),
    }
    for name, relation in inputs.items():
        session.register(f"forecast_of_{name}", relation)
    forecast(session, **{name: f"forecast_of_{name}" for name in inputs})
    stacked = " union all by name ".join(f"select '{name}' as result, * from forecast_{name}" for name in RESULTS)
    return session.query(stacked)
