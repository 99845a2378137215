{{ config(materialized=intermediate()) }}
-- grain: one row per period grain (month, fiscal quarter), period, dimension (company, team, owner) and member with a target
-- The version in force on the as-of day. A quarter has a target when its three months have one, else NULL.
with months as (
    select dimension, member_key, max(member) as member, 'month' as period_grain, month as period_start, sum(target_base) as target_base, max(valid_from) as valid_from
    from {{ ref('int_kpi__member_targets') }}
    where known_date = {{ as_of_date() }}
    group by dimension, member_key, month
)

select dimension, member_key, member, period_grain, period_start, target_base, valid_from from months
union all
select
    dimension, member_key, max(member), 'quarter', {{ fiscal_quarter_start('period_start') }}, case when count(*) = 3 then sum(target_base) end, max(valid_from)
from months
group by dimension, member_key, {{ fiscal_quarter_start('period_start') }}
