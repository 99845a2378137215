{{ config(meta={'dagster': {'ref': {'name': 'forecast'}}}) }}
-- What the forecast of the as-of day takes as won, and what past quarters came to, is the won value of bookings, for company and teams
select forecast.as_of_date, forecast.dimension, forecast.member_key, forecast.won_value, forecast.actual_value, bookings.won_value as booked_value
from {{ ref('forecast') }} as forecast
left join {{ ref('bookings') }} as bookings
    on bookings.period_grain = 'quarter' and forecast.period_start = bookings.period_start and forecast.dimension = bookings.dimension
    and forecast.member_key = bookings.member_key
where (forecast.as_of_date = {{ as_of_date() }} or forecast.actual_value is not null)
    and abs(case when forecast.as_of_date = {{ as_of_date() }} then forecast.won_value else forecast.actual_value end - coalesce(bookings.won_value, 0)) > 0.01
