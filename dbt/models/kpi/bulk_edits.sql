-- grain: one row per local day and user who changed more deals within five minutes than rule R20 allows
-- What moved on such a day moved in one go: a series that jumps on it says something about the clean-up, not about the market.
select
    cast(bulk.changed_date as date) as changed_date,
    cast(bulk.changed_by as string) as changed_by,
    cast(count(distinct bulk.deal_key) as bigint) as deal_count,
    cast(count(distinct case when changes.field = 'life_state' then bulk.deal_key end) as bigint) as closed_or_reopened_count,
    min(bulk.changed_at) as first_changed_at,
    max(bulk.changed_at) as last_changed_at
from {{ ref('int_kpi__bulk_changes') }} as bulk
inner join {{ ref('deal_changes') }} as changes on bulk.deal_key = changes.deal_key and bulk.changed_at = changes.changed_at
group by bulk.changed_date, bulk.changed_by
