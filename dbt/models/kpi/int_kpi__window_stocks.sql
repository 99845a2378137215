{{ config(materialized=intermediate()) }}
-- grain: one row per period grain, period, close window, dimension and member with open pipeline at either end of the period
-- A version counts from the first period start at which it stood to the last one: two events each, summed, never expanded over days. One in
-- another currency is worth something else at each boundary (the rate of the day before it): there it is one pair of events a period, and is counted apart.
with events as (
    {%- for grain, following in {
        'week': ['cast(' ~ week_start('first_date') ~ ' + interval 7 day as date)', 'cast(' ~ week_start('end_date') ~ ' + interval 7 day as date)'],
        'month': ['cast(' ~ month_start('first_date') ~ ' + interval 1 month as date)', 'cast(' ~ month_start('end_date') ~ ' + interval 1 month as date)']
    }.items() %}
    select *, '{{ grain }}' as period_grain, {{ following[0] }} as stands_from, {{ following[1] }} as stands_to
    from {{ ref('int_kpi__deal_days') }} where life_state = 'open'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

boundary_rates as (
    select ends.period_grain, ends.boundary, {{ period_end('ends.period_grain', 'ends.boundary') }} as next_boundary, rates.currency, rates.rate_to_base
    from (
        select distinct period_grain, from_date as boundary from {{ ref('int_kpi__change_windows') }}
        union
        select distinct period_grain, to_date from {{ ref('int_kpi__change_windows') }}
    ) as ends
    inner join {{ ref('exchange_rates') }} as rates
        on rates.date = case when ends.boundary > {{ as_of_date() }} then {{ as_of_date() }} else cast(ends.boundary - interval 1 day as date) end
),

standing as (
    select *, stands_from as counts_from, stands_to as counts_to, amount as amount_base, 1 as deals from events where currency = '{{ var("company_currency") }}'
    union all
    select events.*, rates.boundary, rates.next_boundary, {{ in_base('events.amount', 'events.currency', 'rates.rate_to_base') }}, 0
    from events
    inner join boundary_rates as rates
        on events.period_grain = rates.period_grain and events.currency = rates.currency and events.stands_from <= rates.boundary
        and (events.stands_to > rates.boundary or events.stands_to is null)
    union all
    select *, stands_from, stands_to, cast(0 as decimal(18, 2)), 1 from events where currency <> '{{ var("company_currency") }}' or currency is null
),

signed as (
    select *, counts_from as boundary, coalesce(amount_base, 0) as delta, deals as turned from standing where counts_to is null or counts_from < counts_to
    union all
    select *, counts_to as boundary, -coalesce(amount_base, 0) as delta, -deals as turned from standing where counts_from < counts_to
),

deltas as (
    select period_grain, dimension, member_key, member, close_quarter, boundary, sum(delta) as delta, sum(turned) as deals
    from {{ cut_members('signed', ['period_grain', fiscal_quarter_start('close_date') ~ ' as close_quarter', 'boundary', 'delta', 'turned']) }} as members
    group by period_grain, dimension, member_key, member, close_quarter, boundary
)

select
    windows.period_grain, windows.from_date, windows.close_window, deltas.dimension, deltas.member_key, max(deltas.member) as member,
    sum(case when deltas.boundary <= windows.from_date then deltas.delta else 0 end) as opening, sum(deltas.delta) as closing,
    sum(case when deltas.boundary <= windows.from_date then deltas.deals else 0 end) as opening_count, sum(deltas.deals) as closing_count
from {{ ref('int_kpi__change_windows') }} as windows
inner join deltas
    on windows.period_grain = deltas.period_grain and deltas.boundary <= windows.to_date
    and (windows.close_window = 'all' or windows.window_start = deltas.close_quarter)
group by windows.period_grain, windows.from_date, windows.close_window, deltas.dimension, deltas.member_key
