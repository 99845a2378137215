-- grain: one row per period grain, period (of the local day of acceptance), dimension and member with an accepted deal
-- M15: how much of the pipeline that was accepted in the period has been banked, as of E, and at what effort. value_yield = count_yield x
-- amount_realisation x size_mix, exactly (I14): how many were won, at how much of what they were created with, and whether the large or the
-- small ones. Won deals at their amounts when won; removed and merged deals leave the cohort. A missing amount and a credit (negative) are
-- 0 in the sums. The interval is that of resampled deals (S4), for cohorts of fiscal quarters and all.
{%- set keys = ['period_grain', 'period_start', 'dimension', 'member_key'] %}
with touches as (
    select links.deal_key, count(distinct links.activity_key) as activity_count
    from {{ ref('activity_links') }} as links
    inner join {{ ref('activities') }} as activities on links.activity_key = activities.activity_key
    where links.deal_key is not null and activities.is_human
    group by links.deal_key
),

cohorts as (
    select
        {{ bootstrap_lot('deals.deal_key') }} as lot,
        deals.sao_date, deals.sao_owner_key as owner_key, deals.sao_owner as owner, deals.sao_team as team, deals.source, deals.pipeline, deals.order_type,
        deals.product, deals.segment, deals.industry, deals.country, deals.deal_size_band,
        case when deals.life_state = 'won' then 1 else 0 end as is_won, case when deals.life_state = 'open' then 1 else 0 end as is_open,
        greatest(coalesce(deals.created_amount_base, 0), 0) as created_amount,
        case when deals.life_state = 'won' then greatest(coalesce(deals.closed_amount_base, 0), 0) else 0 end as won_amount,
        greatest(coalesce(deals.amount_base, 0), 0) as present_amount, coalesce(touches.activity_count, 0) as activity_count
    from {{ ref('int_kpi__deals') }} as deals
    left join touches on deals.deal_key = touches.deal_key
    where deals.is_rate_deal
),

long_periods as (
    select *
    from {{ cut('cohorts', 'sao_date', ['lot', 'won_amount', 'created_amount']) }} as members
    where period_grain in ('quarter', 'all')
),

intervals as (
    select * from {{ bootstrap_ratio('long_periods', keys, 'lot', 'won_amount', 'created_amount') }} as bootstrapped
),

summed as (
    select
        period_grain, period_start, dimension, member_key, max(member) as member, count(*) as accepted_count, sum(is_won) as won_count, sum(is_open) as open_count,
        sum(created_amount) as created_value, sum(won_amount) as won_value, sum(is_won * created_amount) as won_created_value,
        sum(is_open * present_amount) as open_value, sum(activity_count) as activity_count
    from {{ cut('cohorts', 'sao_date', ['is_won', 'is_open', 'created_amount', 'won_amount', 'present_amount', 'activity_count']) }} as members
    group by period_grain, period_start, dimension, member_key
),

measured as (
    select summed.*, intervals.low, intervals.high
    from summed
    left join intervals
        on summed.period_grain = intervals.period_grain and summed.dimension = intervals.dimension and summed.member_key = intervals.member_key
        and coalesce(summed.period_start, cast('1900-01-01' as date)) = coalesce(intervals.period_start, cast('1900-01-01' as date))
)

select
    {{ cut_columns() }},
    cast(accepted_count as bigint) as accepted_count,
    cast(won_count as bigint) as won_count,
    cast(open_count as bigint) as open_count,
    cast(created_value as decimal(18, 2)) as created_value,
    cast(won_value as decimal(18, 2)) as won_value,
    cast(won_created_value as decimal(18, 2)) as won_created_value,
    cast(open_value as decimal(18, 2)) as open_value,
    cast(cast(won_value as double) / nullif(cast(created_value as double), 0) as double) as value_yield,
    cast(low as double) as value_yield_low,
    cast(high as double) as value_yield_high,
    cast(cast(won_value + open_value as double) / nullif(cast(created_value as double), 0) as double) as value_yield_upper,
    cast(won_count / nullif(cast(accepted_count as double), 0) as double) as count_yield,
    cast(cast(won_value as double) / nullif(cast(won_created_value as double), 0) as double) as amount_realisation,
    cast(cast(won_created_value as double) / nullif(won_count, 0) * accepted_count / nullif(cast(created_value as double), 0) as double) as size_mix,
    cast(activity_count as bigint) as activity_count,
    cast(activity_count / nullif(cast(won_count as double), 0) as double) as activities_per_won_deal
from measured
