{{ config(materialized=intermediate()) }}
-- grain: one row per decided deal, or decided first entry into a stage, and scope (everything up to E, or the trailing four fiscal quarters)
-- measure `win`: won or lost, by the seller at the close; measure `stage`: got further or was lost there, by the seller at the entry
with facts as (
    select
        'win' as measure, cast(null as string) as pipeline, cast(null as string) as stage, owner_key, owner, coalesce(segment, 'unknown') as segment,
        case when life_state = 'won' then 1 else 0 end as is_success, booking_date as fact_date
    from {{ ref('int_kpi__deals') }}
    where is_rate_deal and life_state in ('won', 'lost') and owner_key is not null
    union all
    select
        'stage', visited_pipeline, stage, owner_key, owner, coalesce(segment, 'unknown'),
        case when life_state = 'won' or furthest_stage_rank > stage_rank then 1 else 0 end, entry_date
    from {{ ref('int_kpi__stage_visits') }}
    where place = 1 and stage_rank is not null and owner_key is not null
        and (life_state in ('won', 'lost') or (life_state = 'open' and furthest_stage_rank > stage_rank))
)

select 'all' as scope, measure, pipeline, stage, owner_key, owner, segment, is_success from facts
union all
select 'trailing_4_quarters', measure, pipeline, stage, owner_key, owner, segment, is_success
from facts
where fact_date >= cast({{ fiscal_quarter_start(as_of_date()) }} - interval 9 month as date)
