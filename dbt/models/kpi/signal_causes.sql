-- grain: one row per metric, week judged, step, kind, dimension and member of a shift of a headline
-- Why, in the order of S6. `place` orders what is named: mix over a dimension, one member, a stage, how many or how large, or everywhere alike. Rows
-- without a place are the exact splits behind it: mix_and_rate over each dimension (mix_effect + rate_effect over its members is the change; splits
-- over different dimensions do not add up), and the factors of bookings and created value (S7; their effects sum to the change per usual week).
-- Named by what explains the weeks since the shift best, not by the largest part: a part may be chance. Never over what an outcome decides.
select
    cast(metric as string) as metric,
    cast(week_start as date) as week_start,
    cast(since_week as date) as since_week,
    cast(place as bigint) as place,
    cast(step as string) as step,
    cast(kind as string) as kind,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member,
    cast(n_before as bigint) as counted_before,
    cast(n_since as bigint) as counted_since,
    cast(value_before as double) as value_before,
    cast(value_since as double) as value_since,
    cast(mix_effect as double) as mix_effect,
    cast(rate_effect as double) as rate_effect,
    cast(effect as double) as effect,
    cast(score as double) as score,
    cast(p_value as double) as p_value
from {{ signal_results() }}
where result = 'cause'
