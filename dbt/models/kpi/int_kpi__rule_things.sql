{{ config(materialized=intermediate()) }}
-- grain: one row per snapshot day and deal or lead that is there on it, with the cut columns as they were then
-- Owner, team and pipeline are those of the day (a closed deal's at its close); what is frozen at creation stays. An amount is worth what the
-- day's rate makes of it, a closed deal's what it was booked at.
with snapshots as (
    select distinct snapshot_date from {{ ref('int_kpi__rule_snapshots') }}
),

days as (
    select snapshots.snapshot_date, days.*
    from snapshots
    inner join {{ ref('int_kpi__deal_days') }} as days
        on days.first_date <= snapshots.snapshot_date and (days.end_date > snapshots.snapshot_date or days.end_date is null)
        and days.life_state in ('open', 'won', 'lost')
)

select
    days.snapshot_date, 'deal' as thing, days.deal_key as thing_key, days.owner_key, days.owner, days.team, days.segment, days.industry, days.country,
    days.source, days.product, days.order_type, days.deal_size_band, days.pipeline, days.life_state = 'open' as is_open,
    case
        when days.life_state = 'open' then {{ in_base('days.amount', 'days.currency', 'rates.rate_to_base') }}
        else {{ in_base('days.amount_at_close', 'days.currency_at_close', 'booked.booking_rate_to_base') }}
    end as amount_base
from days
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'days.currency', 'days.snapshot_date') }}
left join {{ ref('exchange_rates') }} as booked on {{ rate_of('booked', 'days.currency_at_close', 'days.booked_on') }}
union all
select
    snapshots.snapshot_date, 'lead', leads.lead_key, leads.owner_key, leads.owner, leads.team, leads.segment, leads.industry, leads.country,
    leads.source, leads.product, leads.order_type, leads.deal_size_band, leads.pipeline, false, cast(null as decimal(18, 2))
from snapshots
inner join {{ ref('int_kpi__lead_facts') }} as leads on leads.created_date <= snapshots.snapshot_date
