-- grain: one row per ISO week of the last 52 and deal open in a sales pipeline at its end (running week: on the as-of day)
-- M25: distinct buyer contacts (people, merged records once) with a two-way touch linked to the deal in the 30 days up to the snapshot day.
-- Shared mailboxes and people of internal domains are no buyers. Single-threaded: at most one. The share of late-stage value that hangs on
-- one person is sum(amount_base) where is_single_threaded over sum(amount_base), both where is_late_stage. More contacts come with larger
-- deals: compare within deal_size_band. Which stages are late says [company.stage_phases] or stage_map, and nobody guesses: NULL for any other.
-- Deals of a CRM that does not say whether anybody answered are there, and nothing is counted of them.
with weeks as (
    select week_start, least(max(date), {{ as_of_date() }}) as snapshot_date
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and week_start <= {{ as_of_date() }} and week_start > cast({{ as_of_date() }} - interval 364 day as date)
    group by week_start
),

standing as (
    select
        weeks.week_start, weeks.snapshot_date, versions.deal_key, versions.pipeline, versions.stage, versions.owner_key, versions.team,
        {{ in_base('versions.amount', 'versions.currency', 'rates.rate_to_base') }} as amount_base,
        case when not stages.is_derived then stages.phase in ('proposal', 'negotiation') end as is_late_stage,
        {{ says_answers('deals.source') }} as says_answers
    from weeks
    inner join {{ ref('deal_versions') }} as versions
        on versions.first_date <= weeks.snapshot_date and (versions.end_date > weeks.snapshot_date or versions.end_date is null)
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key and not deals.is_excluded
    left join {{ ref('int_kpi__ignored_pipelines') }} as ignored on deals.source = ignored.source and versions.pipeline_id = ignored.pipeline_id
    left join {{ ref('stages') }} as stages
        on deals.source = stages.source and versions.pipeline_id = stages.pipeline_id and versions.stage_id = stages.stage_id
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'versions.currency', 'weeks.snapshot_date') }}
    where versions.life_state = 'open' and ignored.pipeline_id is null
),

counted as (
    select standing.week_start, standing.deal_key, count(distinct touches.contact_key) as contact_count, max(touches.occurred_date) as last_touch_date
    from standing
    inner join {{ ref('int_kpi__buyer_touches') }} as touches
        on standing.deal_key = touches.deal_key and touches.occurred_date <= standing.snapshot_date
        and touches.occurred_date > cast(standing.snapshot_date - interval 30 day as date)
    group by standing.week_start, standing.deal_key
)

select
    cast(standing.week_start as date) as week_start,
    cast(standing.snapshot_date as date) as snapshot_date,
    cast(standing.deal_key as string) as deal_key,
    cast(standing.pipeline as string) as pipeline,
    cast(standing.stage as string) as stage,
    cast(standing.owner_key as string) as owner_key,
    cast(standing.team as string) as team,
    cast(standing.amount_base as decimal(18, 2)) as amount_base,
    cast({{ deal_size_band('standing.amount_base') }} as string) as deal_size_band,
    cast(case when standing.says_answers then coalesce(counted.contact_count, 0) end as bigint) as contact_count,
    cast(case when standing.says_answers then counted.last_touch_date end as date) as last_touch_date,
    cast(case when standing.says_answers then coalesce(counted.contact_count, 0) <= 1 end as boolean) as is_single_threaded,
    cast(standing.is_late_stage as boolean) as is_late_stage
from standing
left join counted on standing.week_start = counted.week_start and standing.deal_key = counted.deal_key
