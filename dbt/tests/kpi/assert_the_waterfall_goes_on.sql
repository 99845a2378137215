{{ config(meta={'dagster': {'ref': {'name': 'pipeline_change'}}}) }}
-- I01: the closing of a period is the opening of the next one of the same window, and the last closing is the open pipeline of E
with steps as (
    select
        *, lead(opening) over same_window as next_opening, lead(opening_count) over same_window as next_opening_count, lead(from_date) over same_window as next_from_date
    from {{ ref('pipeline_change') }}
    window same_window as (
        partition by period_grain, close_window, coalesce(window_start, cast('1900-01-01' as date)), dimension, member_key order by from_date nulls last
    )
)

select 'next opening' as what, period_grain, from_date, close_window, dimension, member_key, closing, next_opening as expected
from steps
where next_from_date = to_date and (closing <> next_opening or closing_count <> next_opening_count)
    or next_from_date > to_date and (closing <> 0 or closing_count <> 0)
union all
select 'open pipeline', change.period_grain, change.from_date, change.close_window, change.dimension, change.member_key, change.closing, stock.open_value
from {{ ref('pipeline_change') }} as change
inner join {{ ref('pipeline_open') }} as stock
    on stock.snapshot_date = {{ as_of_date() }} and change.dimension = stock.dimension and change.member_key = stock.member_key
where change.close_window = 'all' and change.to_date > {{ as_of_date() }} and change.closing <> stock.open_value
