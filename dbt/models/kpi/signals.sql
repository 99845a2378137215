-- grain: one row per metric, part (stage of a pipeline, or all), dimension, member and whole week up to E
-- S1, S3, S8, S9: each week judged from the weeks before it alone, against a baseline of 26 to 52 weeks that stays frozen until a shift is confirmed.
-- Only the six headlines of the company raise alarms, by a CUSUM (k 0.5, h 4); of all other series those are listed as `watch` that stand out among
-- as many looked at (Benjamini-Hochberg, 10 %). A week whose source was silent is `stale` and moves nothing; what a bulk edit did is left out of n and
-- value. A shift beside a silence, a changed stage or a bulk edit is `check_first`: never a trend.
-- known_*: the newest week up to this one whose source spoke, which is what is known while it is silent; stale_since its first silent week.
-- money_low and money_high: the middle half of the 26 weeks before, of bookings and created value alone; silent weeks are left out.
{%- set keys = ['metric', 'part', 'dimension', 'member_key'] %}
{%- set so_far = 'partition by ' ~ keys | join(', ') ~ ' order by week_start nulls last rows between unbounded preceding and current row' %}
with weeks as (
    select
        *,
        max(case when verdict <> 'stale' then week_start end) over ({{ so_far }}) as heard_week,
        max(case when verdict <> 'stale' and n > 0 then week_start end) over ({{ so_far }}) as known_week,
        min(week_start) over ({{ so_far }}) as first_week
    from {{ signal_results() }}
    where result = 'week'
),

usual_money as (
    select
        {%- for key in keys + ['week_start'] %}
        judged.{{ key }},
        {%- endfor %}
        count(*) as money_weeks,
        percentile_cont(0.25) within group (order by cast(past.value_sum as double)) as money_low,
        percentile_cont(0.75) within group (order by cast(past.value_sum as double)) as money_high
    from weeks as judged
    inner join weeks as past
        on past.week_start < judged.week_start
        {%- for key in keys %}
        and judged.{{ key }} = past.{{ key }}
        {%- endfor %}
        and past.week_start >= cast(judged.week_start - interval 182 day as date)
    where judged.metric in ('bookings', 'pipeline_created') and past.verdict <> 'stale'
    group by judged.metric, judged.part, judged.dimension, judged.member_key, judged.week_start
),

shares as (
    select {{ keys | join(', ') }}, week_start, usual, baseline_n, n, sigma, case metric when 'churn' then -1 else 1 end as turn
    from weeks
    where metric in ('win_rate', 'response_within_sla', 'lead_to_sao', 'win_within_90_days', 'stage_conversion', 'churn')
)

select
    cast(weeks.metric as string) as metric,
    cast(weeks.part as string) as part,
    cast(weeks.dimension as string) as dimension,
    cast(weeks.member_key as string) as member_key,
    cast(weeks.member as string) as member,
    cast(weeks.week_start as date) as week_start,
    cast(weeks.n as bigint) as counted,
    cast(weeks.value as double) as value,
    cast(weeks.value_sum as decimal(18, 2)) as money,
    cast(weeks.usual as double) as usual,
    cast(weeks.usual_low as double) as usual_low,
    cast(weeks.usual_high as double) as usual_high,
    cast(weeks.z as double) as z,
    cast(weeks.p_value as double) as p_value,
    cast(weeks.q_value as double) as q_value,
    cast(weeks.cusum as double) as cusum,
    cast(weeks.verdict as string) as verdict,
    cast(weeks.direction as string) as direction,
    cast(weeks.reason as string) as reason,
    cast(weeks.is_alarm as boolean) as is_alarm,
    cast(weeks.since_week as date) as since_week,
    cast(weeks.baseline_from as date) as baseline_from,
    cast(weeks.baseline_weeks as bigint) as baseline_weeks,
    cast(weeks.bucket_weeks as bigint) as bucket_weeks,
    cast(weeks.sigma as double) as sigma,
    cast(weeks.series_count as bigint) as series_count,
    cast(weeks.n_bulk as bigint) as bulk_count,
    cast(weeks.value_with_bulk as double) as value_with_bulk,
    cast(weeks.known_week as date) as known_week,
    cast(known.n as bigint) as known_counted,
    cast(known.value as double) as known_value,
    cast(known.value_sum as decimal(18, 2)) as known_money,
    cast(case when weeks.verdict = 'stale' then coalesce(cast(weeks.heard_week + interval 7 day as date), weeks.first_week) end as date) as stale_since,
    {{ to_money('usual_money.money_low') }} as money_low,
    {{ to_money('usual_money.money_high') }} as money_high,
    cast(usual_money.money_weeks as bigint) as money_weeks,
    cast(weeks.baseline_n as bigint) as baseline_count,
    cast(detectable.detectable_share as double) as detectable_value
from weeks
left join weeks as known
    on weeks.known_week = known.week_start
    {%- for key in keys %}
    and weeks.{{ key }} = known.{{ key }}
    {%- endfor %}
left join usual_money
    on weeks.week_start = usual_money.week_start
    {%- for key in keys %}
    and weeks.{{ key }} = usual_money.{{ key }}
    {%- endfor %}
left join {{ detectable_shares('shares') }} as detectable
    on weeks.week_start = detectable.week_start
    {%- for key in keys %}
    and weeks.{{ key }} = detectable.{{ key }}
    {%- endfor %}
