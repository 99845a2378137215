-- grain: one row per period grain (week, month, quarter), period, dimension and member with a deal that was due in the period when it began
-- M19: of the deals open at the start with a close date in the period, how many were pushed behind its end (still open there, close date
-- after it) and how many slipped (were not won by its end, whatever became of them). Only the ends decide. A period that still runs has its
-- pushes so far and no slips yet. Owner, team and pipeline at the start; values are those at the start.
with starts as (
    {%- for grain, start in {'week': week_start('close_date'), 'month': month_start('close_date'), 'quarter': fiscal_quarter_start('close_date')}.items() %}
    select *, '{{ grain }}' as period_grain, {{ start }} as period_start
    from {{ ref('int_kpi__deal_days') }}
    where life_state = 'open' and coalesce(order_type, 'unknown') not in ('renewal', 'contraction')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

due as (
    select
        starts.*, {{ period_end('starts.period_grain', 'starts.period_start') }} as end_of_period,
        {{ in_base('starts.amount', 'starts.currency', 'rates.rate_to_base') }} as amount_base
    from starts
    left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'starts.currency', 'cast(starts.period_start - interval 1 day as date)') }}
    where starts.first_date < starts.period_start and (starts.end_date >= starts.period_start or starts.end_date is null)
        and starts.period_start <= {{ as_of_date() }}
),

judged as (
    select
        due.*, due.end_of_period <= {{ as_of_date() }} as is_over,
        case when after.life_state = 'open' and after.close_date >= due.end_of_period then 1 else 0 end as is_pushed,
        case when coalesce(after.life_state, 'removed') <> 'won' then 1 else 0 end as is_not_won,
        case when after.life_state = 'open' and after.close_date >= due.end_of_period then {{ days_between('due.close_date', 'after.close_date') }} end as pushed_days
    from due
    left join {{ ref('int_kpi__deal_days') }} as after
        on due.deal_key = after.deal_key and after.first_date < due.end_of_period and (after.end_date >= due.end_of_period or after.end_date is null)
),

counted as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, count(*) as open_at_start_count, sum(amount_base) as open_at_start_value,
        sum(is_pushed) as pushed_count, sum(amount_base * is_pushed) as pushed_value, min(case when is_over then 1 else 0 end) as is_over,
        sum(is_not_won) as slipped_count, sum(amount_base * is_not_won) as slipped_value, {{ median_of('pushed_days', 'is_pushed = 1') }} as pushed_days_median
    from {{ cut_members('judged', ['period_grain', 'period_start', 'amount_base', 'is_pushed', 'is_not_won', 'is_over', 'pushed_days']) }} as members
    group by period_grain, period_start, dimension, member_key
)

select
    {{ cut_columns() }},
    cast(open_at_start_count as bigint) as open_at_start_count,
    cast(coalesce(open_at_start_value, 0) as decimal(18, 2)) as open_at_start_value,
    cast(pushed_count as bigint) as pushed_count,
    cast(pushed_count / nullif(cast(open_at_start_count as double), 0) as double) as push_rate,
    cast({{ wilson('pushed_count', 'open_at_start_count', -1) }} as double) as push_rate_low,
    cast({{ wilson('pushed_count', 'open_at_start_count', 1) }} as double) as push_rate_high,
    cast(coalesce(pushed_value, 0) as decimal(18, 2)) as pushed_value,
    cast(cast(coalesce(pushed_value, 0) as double) / nullif(cast(open_at_start_value as double), 0) as double) as push_rate_by_value,
    cast(pushed_days_median as double) as pushed_days_median,
    cast(case when is_over = 1 then slipped_count end as bigint) as slipped_count,
    cast(case when is_over = 1 then coalesce(slipped_value, 0) end as decimal(18, 2)) as slipped_value
from counted
