{{ config(meta={'dagster': {'ref': {'name': 'deal_stage_visits'}}}) }}
-- I05: the visits of a deal cover its open intervals exactly
select coalesce(visits.deal_key, versions.deal_key) as deal_key, visits.micros as visit_micros, versions.micros as open_micros
from (
    select
        deal_key, sum({{ epoch_micros('coalesce(exited_at, ' ~ as_of() ~ ')') }} - {{ epoch_micros('entered_at') }}) as micros,
        sum(case when exited_at is null then 1 else 0 end) as running
    from {{ ref('deal_stage_visits') }} group by deal_key
) as visits
full outer join (
    select
        deal_key, sum({{ epoch_micros('coalesce(valid_to, ' ~ as_of() ~ ')') }} - {{ epoch_micros('valid_from') }}) as micros,
        sum(case when valid_to is null then 1 else 0 end) as running
    from {{ ref('deal_versions') }} where life_state = 'open' group by deal_key
) as versions on visits.deal_key = versions.deal_key
where visits.deal_key is null or versions.deal_key is null or coalesce(visits.micros, 0) <> coalesce(versions.micros, 0) or visits.running <> versions.running
