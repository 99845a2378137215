{{ config(materialized=intermediate()) }}
-- grain: one row per deal: what its intervals and visits say of it: acceptance, closing, furthest stage, pushes, who had it when
-- first_observed_at (S2, left truncation): when the history of its stages starts, if that is after the deal did; NULL otherwise. In a portal that is the
-- vendor's first entry, without any the night that first read the deal: it is open or closed by what was seen then. A list of deals says when each
-- began and ended, so it is whole although it was read late, unless it drops what is closed: such a list shows nothing, on the first night that read
-- it, that had closed before; its deals are observed from the night that first read them. Lists are told apart by pipeline. A list that drops only
-- what closed long ago cannot be told from a whole one.
-- a deal that was archived while closed and came back was closed when it was closed, not when it came back
with versions as (
    select
        deal_key, valid_from, valid_to, life_state, pipeline_id, stage_id, close_date,
        concat_ws('|', life_state, coalesce(pipeline_id, ''), coalesce(stage_id, '')) as place
    from {{ ref('deal_versions') }}
    where life_state not in ('removed', 'merged')
),

compared as (
    select
        *, case when place = lag(place) over (partition by deal_key order by valid_from nulls last) then cast(null as {{ instant_type() }}) else valid_from end as place_entered_at
    from versions
),

entered as (
    select *, max(place_entered_at) over (partition by deal_key order by valid_from nulls last rows between unbounded preceding and current row) as entered_at
    from compared
),

-- a first stage that reaches back to the creation was closed at the vendor's own first entry, not at the creation
first_entries as (
    select deal_key, value as stage_id, min(changed_at) as changed_at
    from {{ ref('int_pipeline__deal_points') }}
    where field = 'stage_id' and not is_reconstructed
    group by deal_key, value
),

closings as (
    select entered.deal_key, greatest(entered.entered_at, coalesce(first_entries.changed_at, entered.entered_at)) as closed_at
    from entered
    left join first_entries on entered.deal_key = first_entries.deal_key and entered.stage_id = first_entries.stage_id
    where entered.valid_to is null and entered.life_state in ('won', 'lost')
),

lists as (
    select
        deal_id, known_from, max(case
            when known_from = first_known_from and life_state <> 'open' and coalesce(closed_date, close_date) < {{ local_date('known_from') }} then 1 else 0
        end) over (partition by pipeline_id) = 1 as is_whole
    from (
        select *, coalesce(lower(pipeline), 'default') as pipeline_id, min(known_from) over (partition by coalesce(lower(pipeline), 'default')) as first_known_from
        from {{ ref('stg_spreadsheets__deals') }}
    ) as sheets
),

observations as (
    select deal_key, least(min(case when not is_reconstructed then changed_at end), min(known_from)) as observed_at
    from {{ ref('int_pipeline__deal_points') }}
    where field = 'stage_id' and split_part(deal_key, ':', 1) <> 'spreadsheets'
    group by deal_key
    union all
    select 'spreadsheets:deal:' || deal_id, known_from from lists where not is_whole
),

pushes as (
    select deal_key, sum(case when close_date > close_date_before then 1 else 0 end) as push_count
    from (
        select deal_key, close_date, lag(close_date) over (partition by deal_key order by valid_from nulls last) as close_date_before
        from versions where life_state = 'open' and close_date is not null
    ) as dated
    group by deal_key
),

visits as (
    select visits.*, stages.qualified_rank, row_number() over (partition by visits.deal_key order by visits.visit_number desc) as place_from_last
    from {{ ref('deal_stage_visits') }} as visits
    left join {{ ref('stages') }} as stages
        on split_part(visits.deal_key, ':', 1) = stages.source and visits.pipeline_id = stages.pipeline_id and visits.stage_id = stages.stage_id
),

visited as (
    select
        deal_key, min(case when stage_rank >= qualified_rank then entered_at end) as qualified_at, min(entered_at) as opened_at,
        max(stage_rank) as furthest_stage_rank,
        max_by(stage, case when stage_rank is not null then stage_rank * 100000 - visit_number end) filter (where stage is not null) as furthest_stage,
        max_by(stage, visit_number) filter (where stage is not null) as last_stage, max(case when place_from_last = 1 then stage_rank end) as last_stage_rank
    from visits group by deal_key
)

select
    deals.deal_key, visited.qualified_at, visited.opened_at, closings.closed_at, visited.furthest_stage, visited.furthest_stage_rank,
    visited.last_stage, visited.last_stage_rank, coalesce(pushes.push_count, 0) as push_count, deals.first_valid_from, deals.has_reconstructed,
    case when observations.observed_at > deals.first_valid_from then observations.observed_at end as first_observed_at
from (
    select deal_key, min(valid_from) as first_valid_from, max(case when is_reconstructed then 1 else 0 end) = 1 as has_reconstructed
    from {{ ref('deal_versions') }} group by deal_key
) as deals
left join visited on deals.deal_key = visited.deal_key
left join closings on deals.deal_key = closings.deal_key
left join pushes on deals.deal_key = pushes.deal_key
left join observations on deals.deal_key = observations.deal_key
