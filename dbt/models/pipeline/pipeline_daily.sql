{{ config(materialized='view') }}
-- grain: one row per deal that was open at the end of a local day, and that day: every day of its life, touched or not
-- A view over the intervals: ask for a range of dates. Sums over days mean nothing. Excluded deals are out. It names tables without the
-- database: a published file is opened under other names too.
select
    cast(calendar.date as date) as date,
    cast(versions.deal_key as string) as deal_key,
    cast(versions.pipeline as string) as pipeline,
    cast(versions.stage as string) as stage,
    cast(versions.stage_rank as bigint) as stage_rank,
    cast(versions.owner_key as string) as owner_key,
    cast(versions.team as string) as team,
    cast({{ in_base('versions.amount', 'versions.currency', 'rates.rate_to_base') }} as decimal(18, 2)) as amount_base,
    cast(versions.close_date as date) as close_date,
    cast(coalesce(versions.close_date < calendar.date, false) as boolean) as is_overdue,
    cast({{ days_between(local_date('visits.entered_at'), 'calendar.date') }} as bigint) as days_in_stage
from {{ ref('deal_versions').include(database=false) }} as versions
inner join {{ ref('deals').include(database=false) }} as deals on versions.deal_key = deals.deal_key and not deals.is_excluded
inner join {{ ref('calendar').include(database=false) }} as calendar
    on calendar.country = '{{ var("company_country") }}' and calendar.date >= versions.first_date
    and (calendar.date < versions.end_date or versions.end_date is null) and calendar.date <= {{ as_of_date() }}
left join {{ ref('exchange_rates').include(database=false) }} as rates on versions.currency = rates.currency and calendar.date = rates.date
left join {{ ref('deal_stage_visits').include(database=false) }} as visits
    on versions.deal_key = visits.deal_key and versions.valid_from >= visits.entered_at
    and (versions.valid_from < visits.exited_at or visits.exited_at is null)
where versions.life_state = 'open'
