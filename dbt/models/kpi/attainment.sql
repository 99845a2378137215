-- grain: one row per period grain (month, fiscal quarter), period, dimension (company, team, owner) and member with a target
-- M22: won_value is that of bookings; the target is the version in force on the as-of day; the rate is that of bookings. pace_gap, for the
-- running period: attainment now - median attainment of past periods on the same business day, by booking date.
with targets as (
    select * from {{ ref('int_kpi__period_targets') }}
),

-- of each period the day that stands where the as-of day stands in its own: the same number of business days after the start
days as (
    {%- for grain, column in {'month': 'month_start', 'quarter': 'fiscal_quarter_start'}.items() %}
    select
        '{{ grain }}' as period_grain, {{ column }} as period_start, date,
        working_day_number - min(working_day_number - case when is_working_day then 1 else 0 end) over (partition by {{ column }}) as place
    from {{ ref('calendar') }} where country = '{{ var("company_country") }}' and date <= {{ as_of_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

today as (
    select period_grain, place from days where date = {{ as_of_date() }}
),

cutoffs as (
    select days.period_grain, days.period_start, max(days.date) as cutoff_date
    from days
    inner join today on days.period_grain = today.period_grain and days.place <= today.place
    group by days.period_grain, days.period_start
),

wins as (
    select owner_key, owner, team, source, pipeline, order_type, product, segment, industry, country, deal_size_band, booking_date, amount_base
    from {{ ref('int_kpi__deals') }}
    where life_state = 'won' and coalesce(order_type, 'unknown') <> 'contraction'
),

paced as (
    select targets.period_grain, targets.period_start, targets.dimension, targets.member_key, coalesce(sum(members.amount_base), 0) as won_value
    from targets
    inner join cutoffs on targets.period_grain = cutoffs.period_grain and targets.period_start = cutoffs.period_start
    left join {{ cut_members('wins', ['booking_date', 'amount_base']) }} as members
        on targets.dimension = members.dimension and targets.member_key = members.member_key
        and members.booking_date >= cutoffs.period_start and members.booking_date <= cutoffs.cutoff_date
    group by targets.period_grain, targets.period_start, targets.dimension, targets.member_key
),

rated as (
    select
        targets.*, coalesce(bookings.won_value, 0) as won_value,
        coalesce(bookings.attainment_rate, case when targets.target_base > 0 then cast(0 as double) end) as attainment_rate, paced.won_value as paced_value,
        {{ period_end('targets.period_grain', 'targets.period_start') }} > {{ as_of_date() }} and targets.period_start <= {{ as_of_date() }} as is_running
    from targets
    left join {{ ref('bookings') }} as bookings
        on targets.period_grain = bookings.period_grain and targets.period_start = bookings.period_start and targets.dimension = bookings.dimension
        and targets.member_key = bookings.member_key
    left join paced
        on targets.period_grain = paced.period_grain and targets.period_start = paced.period_start and targets.dimension = paced.dimension
        and targets.member_key = paced.member_key
    where targets.period_start <= {{ as_of_date() }}
),

usual as (
    select
        period_grain, dimension, member_key, count(*) as past_count,
        {{ median_of('cast(paced_value as double) / nullif(cast(target_base as double), 0)', 'target_base > 0') }} as usual_rate
    from rated
    where not is_running
    group by period_grain, dimension, member_key
)

select
    cast(rated.period_grain as string) as period_grain,
    cast(rated.period_start as date) as period_start,
    cast(rated.dimension as string) as dimension,
    cast(rated.member_key as string) as member_key,
    cast(rated.member as string) as member,
    cast(rated.target_base as decimal(18, 2)) as target,
    cast(nullif(rated.valid_from, cast('1900-01-01' as date)) as date) as target_valid_from,
    cast(rated.won_value as decimal(18, 2)) as won_value,
    cast(rated.attainment_rate as double) as attainment_rate,
    cast(rated.is_running as boolean) as is_running,
    cast(case
        when rated.is_running then round((cast(rated.paced_value as double) / nullif(cast(rated.target_base as double), 0) - usual.usual_rate) * 1e9) / 1e9
    end as double) as pace_gap,
    cast(coalesce(usual.past_count, 0) as bigint) as past_period_count
from rated
left join usual on rated.period_grain = usual.period_grain and rated.dimension = usual.dimension and rated.member_key = usual.member_key
