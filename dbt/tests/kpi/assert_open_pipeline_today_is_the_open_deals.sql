{{ config(meta={'dagster': {'ref': {'name': 'pipeline_open'}}}) }}
-- the newest snapshot is the as-of day, and holds exactly the deals that are open as of E, at their present amounts
with today as (
    select open_count, open_value, overdue_count, overdue_value, missing_amount_count
    from {{ ref('pipeline_open') }}
    where dimension = 'company' and snapshot_date = {{ as_of_date() }}
),

deals as (
    select
        count(*) as open_count,
        coalesce(sum(amount_base), 0) as open_value,
        count(*) filter (where close_date < {{ as_of_date() }}) as overdue_count,
        coalesce(sum(amount_base) filter (where close_date < {{ as_of_date() }}), 0) as overdue_value,
        count(*) filter (where amount_base is null) as missing_amount_count
    from {{ ref('deals') }}
    where life_state = 'open' and not is_excluded
)

select deals.*, today.open_count as snapshot_count, today.open_value as snapshot_value
from deals
left join today on true
where coalesce(today.open_count, 0) <> deals.open_count or coalesce(today.open_value, 0) <> deals.open_value
    or coalesce(today.overdue_count, 0) <> deals.overdue_count or coalesce(today.overdue_value, 0) <> deals.overdue_value
    or coalesce(today.missing_amount_count, 0) <> deals.missing_amount_count
