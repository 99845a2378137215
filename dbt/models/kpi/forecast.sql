-- grain: one row per day that was forecast from (Mondays of the running and the last eight ended fiscal quarters, and the as-of day), company
-- or team, and method
-- F1-F6: bookings (M01) of the quarter that holds the day, from what was known on it. won_value is what was won of it by then; open_value and
-- new_value are expected of the deals open then and of those not open yet (I20: the three sum to expected, at methods that know parts).
-- Teams sum to the company in expected; medians and bounds do not sum. actual_value is restated: what stands as won as of E.
-- is_chosen: as the quarters that had ended before this one began say it.
select
    cast(as_of_date as date) as as_of_date,
    cast(period_start as date) as period_start,
    cast(period_end as date) as period_end,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member_key as string) as member,
    cast(method as string) as method,
    cast(weeks_to_end as bigint) as weeks_to_end,
    cast(is_chosen as boolean) as is_chosen,
    {{ to_money('predicted') }} as predicted,
    {{ to_money('expected') }} as expected,
    {{ to_money('low_50') }} as low_50,
    {{ to_money('high_50') }} as high_50,
    {{ to_money('low_80') }} as low_80,
    {{ to_money('high_80') }} as high_80,
    {{ to_money('won_value') }} as won_value,
    {{ to_money('open_value') }} as open_value,
    {{ to_money('new_value') }} as new_value,
    {{ to_money('actual_value') }} as actual_value,
    cast(round((predicted / nullif(actual_value, 0) - 1) * 1e6) / 1e6 as double) as miss_rate,
    {{ to_money('target') }} as target,
    cast(round(chance_of_target * 1e6) / 1e6 as double) as chance_of_target,
    cast(compared_date as date) as compared_date,
    {{ to_money('change_expected') }} as change_expected,
    {{ to_money('change_won') }} as change_won,
    {{ to_money('change_open') }} as change_open,
    {{ to_money('change_new') }} as change_new,
    cast(nullif(note, '') as string) as note
from {{ forecast_results() }}
where result = 'forecasts'
