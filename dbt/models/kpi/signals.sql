-- grain: one row per metric, part (stage of a pipeline, or all), dimension, member and whole week up to E
-- S1, S3, S8, S9: each week judged from the weeks before it alone, against a baseline of 26 to 52 weeks that stays frozen until a shift is confirmed.
-- Only the six headlines of the company raise alarms, by a CUSUM (k 0.5, h 4); of all other series those are listed as `watch` that stand out among
-- as many looked at (Benjamini-Hochberg, 10 %). A week whose source was silent is `stale` and moves nothing; what a bulk edit did is left out of n and
-- value. A shift beside a silence, a changed stage or a bulk edit is `check_first`: never a trend.
select
    cast(metric as string) as metric,
    cast(part as string) as part,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(week_start as date) as week_start,
    cast(n as bigint) as counted,
    cast(value as double) as value,
    cast(value_sum as decimal(18, 2)) as money,
    cast(usual as double) as usual,
    cast(usual_low as double) as usual_low,
    cast(usual_high as double) as usual_high,
    cast(z as double) as z,
    cast(p_value as double) as p_value,
    cast(q_value as double) as q_value,
    cast(cusum as double) as cusum,
    cast(verdict as string) as verdict,
    cast(direction as string) as direction,
    cast(reason as string) as reason,
    cast(is_alarm as boolean) as is_alarm,
    cast(since_week as date) as since_week,
    cast(baseline_from as date) as baseline_from,
    cast(baseline_weeks as bigint) as baseline_weeks,
    cast(bucket_weeks as bigint) as bucket_weeks,
    cast(sigma as double) as sigma,
    cast(series_count as bigint) as series_count,
    cast(n_bulk as bigint) as bulk_count,
    cast(value_with_bulk as double) as value_with_bulk
from {{ signal_results() }}
where result = 'week'
