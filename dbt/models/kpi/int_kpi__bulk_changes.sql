{{ config(materialized='ephemeral') }}
-- grain: one row per deal and instant at which one user changed it together with more deals, within five minutes, than rule R20 allows
-- Creations are no changes. The limit is that of the rule's version on the day.
{%- set minutes = 5 %}
with changes as (
    select
        changes.changed_by, changes.deal_key, changes.changed_at, {{ local_date('changes.changed_at') }} as changed_date, max(rules.limit_count) as limit_count,
        cast(floor({{ epoch_micros('changes.changed_at') }} / cast({{ minutes * 60000000 }} as double)) as bigint) as slot
    from {{ ref('deal_changes') }} as changes
    inner join {{ ref('int_kpi__rules') }} as rules
        on rules.rule_id = 'R20' and {{ local_date('changes.changed_at') }} >= rules.from_date
        and ({{ local_date('changes.changed_at') }} < rules.to_date or rules.to_date is null)
    where changes.changed_by is not null and changes.field <> 'deal'
    group by changes.changed_by, changes.deal_key, changes.changed_at
),

-- every pair of a change with one of at most five minutes before it, by the same user
pairs as (
    select
        anchors.changed_by, anchors.changed_at as anchored_at, anchors.deal_key as anchor_key, anchors.limit_count, befores.deal_key, befores.changed_at,
        befores.changed_date
    from changes as anchors
    cross join {{ text_rows([['0'], ['1']], ['back']) }} as slots
    inner join changes as befores
        on anchors.changed_by = befores.changed_by and befores.slot = anchors.slot - cast(slots.back as bigint) and befores.changed_at <= anchors.changed_at
        and {{ elapsed_seconds('befores.changed_at', 'anchors.changed_at') }} <= {{ minutes * 60 }}
),

bursts as (
    select changed_by, anchored_at, anchor_key
    from pairs
    group by changed_by, anchored_at, anchor_key, limit_count
    having count(distinct deal_key) > limit_count
)

select distinct pairs.changed_by, pairs.deal_key, pairs.changed_at, pairs.changed_date
from pairs
inner join bursts on pairs.changed_by = bursts.changed_by and pairs.anchored_at = bursts.anchored_at and pairs.anchor_key = bursts.anchor_key
