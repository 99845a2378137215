-- grain: one row per method that gives every open deal a chance, and tenth of the stated chance (NULL: all deals)
-- 4.6: what the open deals on the Mondays of the last eight ended fiscal quarters were given, and how many were booked in the quarter.
select
    cast(method as string) as method,
    cast(nullif(tenth, -1) as bigint) as tenth,
    cast(deal_count as bigint) as deal_count,
    cast(round(mean_chance * 1e6) / 1e6 as double) as mean_chance,
    cast(round(won_share * 1e6) / 1e6 as double) as won_share,
    cast(round(brier * 1e6) / 1e6 as double) as brier,
    cast(round(calibration_error * 1e6) / 1e6 as double) as calibration_error
from {{ forecast_results() }}
where result = 'calibration'
