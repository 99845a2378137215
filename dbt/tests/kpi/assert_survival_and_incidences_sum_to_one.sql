{{ config(meta={'dagster': {'ref': {'name': 'sales_cycle_cohort'}}}) }}
-- depends_on: {{ ref('sales_cycle_cohort') }}
-- I09, at every event time of every cohort; and the curves only fall and rise
select *
from {{ ref('int_kpi__survival') }}
where day is not null
    and (
        abs(survival + cif_win + cif_loss - 1) > 0.000000001
        or survival > survival_before or survival < 0 or cif_win < 0 or cif_loss < 0 or at_risk_count < won_count + lost_count + open_count
    )
