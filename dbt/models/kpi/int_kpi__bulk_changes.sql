{{ config(materialized=intermediate()) }}
-- grain: one row per deal and instant at which one user changed it together with more deals, within five minutes, than rule R20 allows
-- Creations are no changes. The limit is that of the rule's version on the day. A change stands for its deal until the same user's next one of it,
-- for five minutes at most: how many stand at an instant is how many deals were changed in the five minutes up to it, without a pair compared.
{%- set window = 5 * 60000000 %}
with changes as (
    select
        changes.changed_by, changes.deal_key, changes.changed_at, {{ local_date('changes.changed_at') }} as changed_date,
        {{ epoch_micros('changes.changed_at') }} as micros, max(rules.limit_count) as limit_count
    from {{ ref('deal_changes') }} as changes
    inner join {{ ref('int_kpi__rules') }} as rules
        on rules.rule_id = 'R20' and {{ local_date('changes.changed_at') }} >= rules.from_date
        and ({{ local_date('changes.changed_at') }} < rules.to_date or rules.to_date is null)
    where changes.changed_by is not null and changes.field <> 'deal'
    group by changes.changed_by, changes.deal_key, changes.changed_at
),

steps as (
    select changed_by, micros as instant, 1 as step, limit_count from changes
    union all
    select changed_by, least(coalesce(next_micros, micros + {{ window + 1 }}), micros + {{ window + 1 }}), -1, cast(null as bigint)
    from (select *, lead(micros) over (partition by changed_by, deal_key order by micros nulls last) as next_micros from changes) as followed
),

instants as (
    select
        changed_by, instant, max(limit_count) as limit_count,
        sum(sum(step)) over (partition by changed_by order by instant nulls last rows between unbounded preceding and current row) as deal_count
    from steps
    group by changed_by, instant
),

bursts as (
    select changed_by, instant, min(case when deal_count > limit_count then instant end) over (
        partition by changed_by order by instant nulls last rows between current row and unbounded following
    ) as burst_instant
    from instants
)

select changes.changed_by, changes.deal_key, changes.changed_at, changes.changed_date
from changes
inner join bursts on changes.changed_by = bursts.changed_by and changes.micros = bursts.instant and bursts.burst_instant <= changes.micros + {{ window }}
