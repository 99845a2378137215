{{ config(meta={'dagster': {'ref': {'name': 'sales_cycle_cohort'}}}) }}
-- I07: accepted = won + lost + open + removed + merged, over the deals that win rates cover
with cohorts as (
    select accepted_count, censored_count from {{ ref('sales_cycle_cohort') }} where period_grain = 'all' and dimension = 'company'
),

deals as (
    select
        count(*) as accepted_count,
        count(*) filter (where life_state in ('removed', 'merged')) as left_count,
        count(*) filter (where life_state = 'open') as open_count
    from {{ ref('deals') }}
    where not is_excluded and sao_at is not null and coalesce(order_type, 'unknown') not in ('renewal', 'contraction')
)

select deals.*, cohorts.accepted_count as cohort_count
from deals
left join cohorts on true
where coalesce(cohorts.accepted_count, 0) + deals.left_count <> deals.accepted_count or coalesce(cohorts.censored_count, 0) <> deals.open_count
