{{ config(materialized=intermediate()) }}
-- grain: one row per dimension, member, pipeline and stage: the 95 % interval of the median stay in the newest 13 weeks, by order statistics
{%- set keys = ['dimension', 'member_key', 'pipeline', 'stage'] %}
with ranked as (
    select
        {{ keys | join(', ') }}, stay_days, row_number() over (partition by {{ keys | join(', ') }} order by stay_days nulls last) as place,
        count(*) over (partition by {{ keys | join(', ') }}) as stay_count
    from {{ ref('int_kpi__leak_members') }}
    where block = 0 and stay_days is not null
)

select
    {{ keys | join(', ') }},
    max(case when place <= greatest(1, floor(stay_count / 2.0 - 0.979982 * sqrt(stay_count))) then stay_days end) as days_low,
    min(case when place >= least(stay_count, ceil(stay_count / 2.0 + 1 + 0.979982 * sqrt(stay_count))) then stay_days end) as days_high
from ranked
group by {{ keys | join(', ') }}
