{{ config(materialized=intermediate()) }}
-- grain: one row per fact of the last eight finished fiscal quarters that M28 is made of; period: recent = the last four of them, previous = the four before
-- Three kinds, each in the period of its own date and with the attributes of its own moment (kpis.md 0.6): a deal accepted (won, lost, open, day, entry_days)
-- and a deal decided (decided_won) with those at creation; a deal booked (acv, won_days, margin) with those at win; a customer-year (opening, kept:
-- retention's, over the twelve months of the period) with those of what won the customer. company_key and moment_at: whose and when, for what
-- others say of the company.
{%- set parts = profile_parts() %}
{%- set quarter = fiscal_quarter_start(as_of_date()) %}
with periods as (
    select
        period, cast({{ quarter }} - interval 12 month as date) as first_date, {{ quarter }} as end_date
    from {{ text_rows([['recent']], ['period']) }} as last_year
    union all
    select
        period, cast({{ quarter }} - interval 24 month as date), cast({{ quarter }} - interval 12 month as date)
    from {{ text_rows([['previous']], ['period']) }} as year_before
),

deals as (
    select * from {{ ref('int_kpi__deals') }} where is_rate_deal
),

booked as (
    select
        deals.company_key, deals.closed_at as moment_at, deals.booking_date, deals.acv, deals.close_days as won_days,
        profiles.segment, profiles.industry, profiles.employees_band, profiles.country,
        deals.source, deals.product,
        case when deals.margin_share is not null and deals.amount_base > 0 then cast(deals.amount_base as double) end as margin_weight,
        case when deals.amount_base > 0 then deals.margin_share * cast(deals.amount_base as double) end as margin
    from deals
    left join {{ ref('company_versions') }} as profiles
        on deals.company_key = profiles.company_key and deals.closed_at >= profiles.valid_from and (deals.closed_at < profiles.valid_to or profiles.valid_to is null)
    where deals.life_state = 'won'
),

facts as (
    select
        'accepted' as kind, sao_date as fact_date, {{ parts | join(', ') }}, followed_days as day, entry_days,
        case when life_state = 'won' then 1 else 0 end as won, case when life_state = 'lost' then 1 else 0 end as lost,
        case when life_state = 'open' then 1 else 0 end as still_open, 0 as decided_won, cast(null as decimal(18, 2)) as acv,
        cast(null as bigint) as won_days, cast(null as double) as margin_weight, cast(null as double) as margin,
        cast(null as double) as opening, cast(null as double) as kept, company_key, coalesce(created_at, first_observed_at) as moment_at
    from deals
    union all
    select
        'decided', booking_date, {{ parts | join(', ') }}, null, null, 0, 0, 0, case when life_state = 'won' then 1 else 0 end, null, null, null, null, null, null, company_key,
        coalesce(created_at, first_observed_at)
    from deals
    where life_state in ('won', 'lost')
    union all
    select 'booked', booking_date, {{ parts | join(', ') }}, null, null, 0, 0, 0, 0, acv, won_days, margin_weight, margin, null, null, company_key, moment_at
    from booked
    union all
    select
        'customer', month, {{ parts | join(', ') }}, null, null, 0, 0, 0, 0, null, null, null, null,
        cast(opening as double), cast(least(opening, closing) as double), company_key, won_at
    from {{ ref('int_kpi__customer_years') }}
    where opening > 0
)

select
    periods.period, facts.*
from facts
inner join periods on facts.fact_date >= periods.first_date and facts.fact_date < periods.end_date
where facts.kind <> 'customer' or facts.fact_date = cast(periods.end_date - interval 1 month as date)
