{{ config(materialized='table', schema='forecasts', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per deal and stretch of days [from_date, to_date) at whose ends our extract held the same of it, while open or won
-- F1: what a past day knew. A version is seen from the day on which it began or was landed, whichever is later; what a source brought on its
-- first night is seen from the day on which it began, as its own history says. A version that was overtaken before it was landed is never seen.
-- Open: sales pipelines, at the rate of the version's first day. Won: as bookings, at the booking rate, team of the win; contractions are none.
with landings as (
    select deals.source, min({{ local_date('versions.known_from') }}) as first_date
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    group by deals.source
),

versions as (
    select
        versions.deal_key, versions.valid_from, versions.life_state, versions.pipeline, versions.stage, versions.forecast_category, versions.close_date,
        versions.first_date, versions.amount, versions.amount_base, versions.currency,
        deals.segment, deals.company_key, deals.created_date, deals.booking_date, deals.life_state as present_state,
        ignored.pipeline_id is not null as is_ignored,
        case when versions.life_state = 'won' and deals.life_state = 'won' then deals.team else versions.team end as team,
        case
            when {{ local_date('versions.known_from') }} <= landings.first_date then versions.first_date
            else greatest(versions.first_date, {{ local_date('versions.known_from') }})
        end as seen_date
    from {{ ref('deal_versions') }} as versions
    inner join {{ ref('deals') }} as deals on versions.deal_key = deals.deal_key
    inner join landings on deals.source = landings.source
    left join {{ ref('int_kpi__ignored_pipelines') }} as ignored
        on deals.source = ignored.source and versions.pipeline_id = ignored.pipeline_id
    where not deals.is_excluded and coalesce(deals.order_type, 'unknown') <> 'contraction' and versions.first_date <= {{ as_of_date() }}
),

-- what was landed after the as-of day is there as of E: it was seen on that day
seen as (
    select
        *, least(seen_date, {{ as_of_date() }}) as from_date,
        min(least(seen_date, {{ as_of_date() }})) over (
            partition by deal_key order by valid_from nulls last rows between 1 following and unbounded following
        ) as to_date
    from versions
),

booked as (
    select
        seen.*,
        case
            when seen.life_state <> 'won' then seen.close_date
            else coalesce(seen.close_date, case when seen.present_state = 'won' then seen.booking_date end, seen.first_date)
        end as booked_date
    from seen
    where (seen.to_date > seen.from_date or seen.to_date is null) and (seen.life_state = 'won' or (seen.life_state = 'open' and not seen.is_ignored))
)

select
    cast(booked.deal_key as string) as deal_key,
    cast(booked.from_date as date) as from_date,
    cast(booked.to_date as date) as to_date,
    cast(booked.life_state as string) as life_state,
    cast(booked.pipeline || ' / ' || booked.stage as string) as stage,
    cast(booked.segment as string) as segment,
    cast(coalesce(booked.team, 'unknown') as string) as team,
    cast(booked.company_key as string) as account_key,
    cast(booked.forecast_category as string) as forecast_category,
    cast(booked.created_date as date) as created_date,
    cast(booked.booked_date as date) as close_date,
    cast(case
        when booked.life_state = 'won' then {{ in_base('booked.amount', 'booked.currency', 'rates.booking_rate_to_base') }} else booked.amount_base
    end as decimal(18, 2)) as amount_base
from booked
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'booked.currency', 'booked.booked_date') }}
