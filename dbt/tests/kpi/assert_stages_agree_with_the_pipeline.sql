{{ config(meta={'dagster': {'ref': {'name': 'stage_flow'}}}) }}
-- what stands in the stages at E is the open deals; wins and losses by stage are deals that were won and lost at least once (I04, I08)
with flow as (
    select sum(closing_count) as closing_count from {{ ref('stage_flow') }} where period_grain = 'all' and dimension = 'company'
),

deals as (
    select count(*) as open_count
    from {{ ref('deals') }}
    where life_state = 'open' and not is_excluded and coalesce(order_type, 'unknown') not in ('renewal', 'contraction')
),

conversion as (
    select pipeline, stage_rank, stage, entered_count, advanced_count from {{ ref('stage_conversion') }} where period_grain = 'all' and dimension = 'company'
)

select 'open deals' as what, flow.closing_count as found, deals.open_count as expected
from flow cross join deals where coalesce(flow.closing_count, 0) <> deals.open_count
union all
select 'advanced of ' || stage, advanced_count, entered_count from conversion where advanced_count > entered_count
