-- grain: one row per company or team, method (and `chosen`: what was chosen at the time) and weeks to the end of the fiscal quarter (NULL: all)
-- M23, 4.6: how the forecasts of the Mondays of the last eight ended quarters turned out, against restated bookings. Every forecast is made
-- again from what was known on its day, by methods, weights and ranges learnt from the quarters that had ended before its own began.
select
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member_key as string) as member,
    cast(method as string) as method,
    cast(nullif(weeks_to_end, -1) as bigint) as weeks_to_end,
    cast(origin_count as bigint) as origin_count,
    cast(period_count as bigint) as period_count,
    cast(round(wape * 1e6) / 1e6 as double) as wape,
    cast(round(bias * 1e6) / 1e6 as double) as bias,
    cast(round(coverage_50 * 1e6) / 1e6 as double) as coverage_50,
    cast(round(coverage_80 * 1e6) / 1e6 as double) as coverage_80,
    cast(round(width * 1e6) / 1e6 as double) as width,
    cast(round(pinball * 1e6) / 1e6 as double) as pinball,
    cast(nullif(best_baseline, '') as string) as best_baseline,
    cast(round(best_baseline_wape * 1e6) / 1e6 as double) as best_baseline_wape
from {{ forecast_results() }}
where result = 'accuracy'
