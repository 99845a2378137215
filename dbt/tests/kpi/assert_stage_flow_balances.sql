{{ config(meta={'dagster': {'ref': {'name': 'stage_flow'}}}) }}
-- I04: opening + entered = closing + exits, and the closing of a period is the opening of the next one; I01 for stages
with flows as (
    select
        *, lead(opening_count) over (partition by period_grain, dimension, member_key, pipeline, stage order by period_start nulls last) as next_opening_count,
        lead(period_start) over (partition by period_grain, dimension, member_key, pipeline, stage order by period_start nulls last) as next_start
    from {{ ref('stage_flow') }}
)

select period_grain, period_start, dimension, member_key, pipeline, stage, opening_count, entered_count, closing_count, next_opening_count
from flows
where opening_count + entered_count <> closing_count + advanced_count + skipped_ahead_count + won_count + lost_count + regressed_count + other_exit_count
    or closing_count <> next_opening_count or opening_count < 0
    or (
        closing_count > 0 and next_start is null
        and period_start < (select max(others.period_start) from {{ ref('stage_flow') }} as others where others.period_grain = flows.period_grain)
    )
