{{ config(meta={'dagster': {'ref': {'name': 'churn_curve'}}}) }}
-- every acquired customer lapses or is censored once in the curve of each of its members, nobody is at risk twice, and survival never rises
with curves as (
    select
        *, lag(survival, 1, cast(1 as double)) over (partition by dimension, member_key order by day nulls last) as survival_before,
        lead(at_risk_count, 1, 0) over (partition by dimension, member_key order by day nulls last) as next_at_risk_count
    from {{ ref('churn_curve') }}
),

ends as (
    select dimension, member_key, sum(lapsed_count + censored_count) as customer_count from {{ ref('churn_curve') }} group by dimension, member_key
)

select dimension, member_key, day
from curves
where survival > survival_before or at_risk_count - lapsed_count - censored_count <> next_at_risk_count
union all
select quality.dimension, quality.member_key, cast(null as bigint)
from {{ ref('acquisition_quality') }} as quality
full join ends on quality.dimension = ends.dimension and quality.member_key = ends.member_key
where quality.customer_count is distinct from ends.customer_count
