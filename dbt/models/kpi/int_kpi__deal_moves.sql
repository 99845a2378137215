{{ config(materialized=intermediate()) }}
-- grain: one row per deal that changed in a period, and close window: where it stood at both ends (M07), by company scope
-- A deal in another currency changes with the rates, touched or not, as long as it is open.
-- Bucket of the end states, precedence merged > removed > won > lost > date moved; an entry and an exit at most. A missing close date lies
-- after every window. value_1 is what it leaves or stays with: the amount when it was closed (booking rate), when it was archived or merged (that
-- day's rate), else the newest one. value_at_0 is that amount at the rates of the opening: value_at_0 - value_0 is what the amount did,
-- value_1 - value_at_0 what the rates did. A day's rate at a boundary is that of the day before it, at whose end the stock is counted.
with periods as (
    select distinct period_grain, from_date, to_date from {{ ref('int_kpi__change_windows') }}
),

touched as (
    select periods.period_grain, periods.from_date, periods.to_date, moved.deal_key
    from (
        {%- for grain, start in {'week': week_start('first_date'), 'month': month_start('first_date')}.items() %}
        select '{{ grain }}' as period_grain, {{ start }} as from_date, deal_key from {{ ref('int_kpi__deal_days') }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as moved
    inner join periods on moved.period_grain = periods.period_grain and moved.from_date = periods.from_date
    union
    select periods.period_grain, periods.from_date, periods.to_date, days.deal_key
    from periods
    inner join {{ ref('int_kpi__deal_days') }} as days
        on days.life_state = 'open' and days.currency <> '{{ var("company_currency") }}' and days.first_date < periods.to_date
        and (days.end_date >= periods.from_date or days.end_date is null)
),

pairs as (
    select
        windows.*, touched.deal_key,
        {%- for column in ['owner_key', 'owner', 'team', 'pipeline'] %}
        case when before.deal_key is null then after.{{ column }} else before.{{ column }} end as {{ column }}_0, after.{{ column }} as {{ column }}_1,
        {%- endfor %}
        {%- for column in ['segment', 'industry', 'country', 'source', 'product', 'order_type', 'deal_size_band'] %}
        after.{{ column }} as {{ column }}_0, after.{{ column }} as {{ column }}_1,
        {%- endfor %}
        before.life_state as state_0, after.life_state as state_1, before.amount as amount_0, before.currency as currency_0,
        case when after.life_state in ('won', 'lost') then after.amount_at_close else after.amount end as amount_1,
        case when after.life_state in ('won', 'lost') then after.currency_at_close else after.currency end as currency_1,
        cast(windows.from_date - interval 1 day as date) as valued_on_0,
        case
            when after.life_state in ('won', 'lost') then after.booked_on
            when after.life_state in ('removed', 'merged') then after.first_date
            else cast(windows.to_date - interval 1 day as date)
        end as valued_on_1,
        before.close_date as close_date_0, after.booked_on,
        coalesce(before.life_state = 'open', false)
        and (windows.close_window = 'all' or coalesce(before.close_date >= windows.window_start and before.close_date < windows.window_end, false)) as was_in,
        after.life_state = 'open'
        and (windows.close_window = 'all' or coalesce(after.close_date >= windows.window_start and after.close_date < windows.window_end, false)) as is_in,
        after.life_state in ('won', 'lost') and after.closed_on >= windows.from_date as is_closed,
        coalesce(after.close_date < windows.window_start, false) as is_before_window, coalesce(before.close_date < windows.window_start, false) as was_before_window,
        windows.close_window = 'all' or coalesce(after.booked_on >= windows.window_start and after.booked_on < windows.window_end, false) as is_booked_in_window
    from touched
    inner join {{ ref('int_kpi__change_windows') }} as windows on touched.period_grain = windows.period_grain and touched.from_date = windows.from_date
    inner join {{ ref('int_kpi__deal_days') }} as after
        on touched.deal_key = after.deal_key and after.first_date < touched.to_date and (after.end_date >= touched.to_date or after.end_date is null)
    left join {{ ref('int_kpi__deal_days') }} as before
        on touched.deal_key = before.deal_key and before.first_date < touched.from_date and (before.end_date >= touched.from_date or before.end_date is null)
),

-- the ends agree and something between them did not: crossed and returned, or came and went
passages as (
    select
        touched.period_grain, touched.from_date, windows.close_window, touched.deal_key,
        max(case when days.life_state = 'open' and (
            windows.close_window = 'all' or coalesce(days.close_date >= windows.window_start and days.close_date < windows.window_end, false)
        ) then 1 else 0 end) as most, min(case when days.life_state = 'open' and (
            windows.close_window = 'all' or coalesce(days.close_date >= windows.window_start and days.close_date < windows.window_end, false)
        ) then 1 else 0 end) as least
    from touched
    inner join {{ ref('int_kpi__change_windows') }} as windows on touched.period_grain = windows.period_grain and touched.from_date = windows.from_date
    inner join {{ ref('int_kpi__deal_days') }} as days
        on touched.deal_key = days.deal_key and days.first_date >= touched.from_date and days.first_date < touched.to_date
    group by touched.period_grain, touched.from_date, windows.close_window, touched.deal_key
)

select
    pairs.*,
    coalesce({{ in_base('pairs.amount_0', 'pairs.currency_0', 'rates_0.rate_to_base') }}, 0) as value_0,
    coalesce({{ in_base('pairs.amount_1', 'pairs.currency_1', 'rates_at_0.rate_to_base') }}, 0) as value_at_0,
    coalesce({{ in_base('pairs.amount_1', 'pairs.currency_1', rate_for('rates_1', 'pairs.state_1')) }}, 0) as value_1,
    case
        when pairs.was_in and pairs.is_in then coalesce(passages.least = 0, false)
        when pairs.was_in or pairs.is_in or (pairs.is_closed and pairs.is_booked_in_window) then false
        else coalesce(passages.most = 1, false)
    end as is_round_trip,
    case
        when was_in or not (is_in or (is_closed and is_booked_in_window)) then cast(null as string)
        when state_0 is null then 'created'
        when state_0 in ('won', 'lost') then 'reopened'
        when state_0 in ('removed', 'merged') then 'restored'
        when state_0 = 'ignored' then 'transferred_in'
        when was_before_window then 'pushed_in'
        else 'pulled_in'
    end as entry_kind,
    case
        when not (was_in or (is_closed and is_booked_in_window)) or is_in then cast(null as string)
        when state_1 in ('merged', 'removed', 'won', 'lost') then state_1
        when state_1 = 'ignored' then 'transferred_out'
        when is_before_window then 'pulled_out'
        else 'pushed_out'
    end as exit_kind
from pairs
left join passages
    on pairs.period_grain = passages.period_grain and pairs.from_date = passages.from_date and pairs.close_window = passages.close_window
    and pairs.deal_key = passages.deal_key
left join {{ ref('exchange_rates') }} as rates_0 on {{ rate_of('rates_0', 'pairs.currency_0', 'pairs.valued_on_0') }}
left join {{ ref('exchange_rates') }} as rates_at_0 on {{ rate_of('rates_at_0', 'pairs.currency_1', 'pairs.valued_on_0') }}
left join {{ ref('exchange_rates') }} as rates_1 on {{ rate_of('rates_1', 'pairs.currency_1', 'pairs.valued_on_1') }}
where pairs.was_in or pairs.is_in or (pairs.is_closed and pairs.is_booked_in_window) or passages.most = 1
