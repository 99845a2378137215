-- grain: one row per fiscal quarter and segment with an accepted deal open at its end or decided in the four quarters that end with it
-- M14: open accepted deals x win rate x mean won amount / mean won days, the last three over the deals decided in the trailing four
-- quarters. Company currency per day; NULL if any part is. It mixes a stock with ratios of other periods: a label for direction, never
-- across segments, so no other dimension is here and segments do not sum to anything.
with quarters as (
    select distinct fiscal_quarter_start as period_start, cast(fiscal_quarter_start + interval 3 month as date) as end_of_period
    from {{ ref('calendar') }}
    where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }}
),

decided as (
    select
        quarters.period_start, coalesce(deals.segment, 'unknown') as member,
        count(*) filter (where deals.life_state = 'won') as won_count, count(*) as decided_count,
        sum(deals.amount_base) filter (where deals.life_state = 'won') as won_value,
        count(deals.amount_base) filter (where deals.life_state = 'won') as valued_count,
        avg(cast(deals.close_days as double)) filter (where deals.life_state = 'won') as won_days_mean
    from quarters
    inner join {{ ref('int_kpi__deals') }} as deals
        on deals.is_rate_deal and deals.life_state in ('won', 'lost') and deals.booking_date < quarters.end_of_period
        and deals.booking_date >= cast(quarters.end_of_period - interval 12 month as date)
    group by quarters.period_start, coalesce(deals.segment, 'unknown')
),

stocks as (
    select quarters.period_start, coalesce(days.segment, 'unknown') as member, count(*) as open_count
    from quarters
    inner join {{ ref('int_kpi__deal_days') }} as days
        on days.life_state = 'open' and days.first_date < quarters.end_of_period and (days.end_date >= quarters.end_of_period or days.end_date is null)
    inner join {{ ref('int_kpi__deals') }} as deals on days.deal_key = deals.deal_key and deals.is_cohort_deal and deals.sao_date < quarters.end_of_period
    group by quarters.period_start, coalesce(days.segment, 'unknown')
),

joined as (
    select
        coalesce(decided.period_start, stocks.period_start) as period_start, coalesce(decided.member, stocks.member) as member,
        coalesce(stocks.open_count, 0) as open_count, coalesce(decided.won_count, 0) as won_count, coalesce(decided.decided_count, 0) as decided_count,
        decided.won_count / nullif(cast(decided.decided_count as double), 0) as win_rate,
        cast(decided.won_value as double) / nullif(decided.valued_count, 0) as won_value_mean, decided.won_days_mean
    from decided
    full join stocks on decided.period_start = stocks.period_start and decided.member = stocks.member
)

select
    cast('quarter' as string) as period_grain,
    cast(period_start as date) as period_start,
    cast('segment' as string) as dimension,
    cast(member as string) as member_key,
    cast(member as string) as member,
    cast(open_count as bigint) as open_count,
    cast(won_count as bigint) as won_count,
    cast(decided_count as bigint) as decided_count,
    cast(win_rate as double) as win_rate,
    {{ to_money('won_value_mean') }} as won_value_mean,
    cast(won_days_mean as double) as won_days_mean,
    {{ to_money('open_count * win_rate * won_value_mean / nullif(won_days_mean, 0)') }} as velocity_per_day
from joined
