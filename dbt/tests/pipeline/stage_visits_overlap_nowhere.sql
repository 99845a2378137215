{{ config(meta={'dagster': {'ref': {'name': 'deal_stage_visits'}}}) }}
-- I06: a deal is in one stage at a time
select deal_key, entered_at, exited_at, next_entered_at
from (
    select deal_key, entered_at, exited_at, lead(entered_at) over (partition by deal_key order by visit_number nulls last) as next_entered_at
    from {{ ref('deal_stage_visits') }}
) as followed
where next_entered_at < exited_at or (exited_at is null and next_entered_at is not null)
