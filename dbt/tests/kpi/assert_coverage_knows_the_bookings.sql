{{ config(meta={'dagster': {'ref': {'name': 'pipeline_open'}}}) }}
-- M05: on the as-of day the target that is covered is that of attainment, and what is won of it is what bookings shows for the quarter
select stock.dimension, stock.member_key, stock.target, stock.won_value, attainment.target as expected_target, attainment.won_value as expected_won_value
from {{ ref('pipeline_open') }} as stock
left join {{ ref('attainment') }} as attainment
    on attainment.period_grain = 'quarter' and attainment.period_start = stock.horizon_start and stock.dimension = attainment.dimension
    and stock.member_key = attainment.member_key
where stock.snapshot_date = {{ as_of_date() }} and stock.dimension in ('company', 'team', 'owner')
    and (
        coalesce(stock.target, -1) <> coalesce(attainment.target, -1)
        or (attainment.target is not null and coalesce(stock.won_value, -1) <> attainment.won_value)
    )
