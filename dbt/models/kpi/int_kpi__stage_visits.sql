{{ config(materialized=intermediate()) }}
-- grain: one row per visit of an open stage that KPI tables may count, with the cut columns; owner and team are those at the entry
-- and stay with the visit to its end, so that what a member's stage held and what moved balance
-- stay_days: its length, of a running one up to E; NULL without a length. Where the deal's history starts after the entry (left truncation, S2)
-- observed_at says when, unseen_days how far into the stay; a visit that was over before that (not is_seen) has no stay.
{%- set is_late = 'coalesce(deals.first_observed_at > visits.entered_at, false)' %}
{%- set is_seen = 'coalesce(deals.first_observed_at < coalesce(visits.exited_at, ' ~ as_of() ~ ') or deals.first_observed_at <= visits.entered_at, true)' %}
select
    visits.deal_key, visits.visit_number, visits.pipeline as visited_pipeline, visits.stage, visits.stage_rank, visits.entered_at, visits.exited_at,
    {{ local_date('visits.entered_at') }} as entry_date, {{ local_date('visits.exited_at') }} as exit_date, visits.days, visits.entry_kind, visits.exit_kind,
    {{ is_seen }} as is_seen, case when {{ is_late }} and {{ is_seen }} then deals.first_observed_at end as observed_at,
    case when {{ is_late }} and {{ is_seen }} then {{ elapsed_days('visits.entered_at', 'deals.first_observed_at') }} else 0 end as unseen_days,
    case when {{ is_seen }} then coalesce(
        visits.days, case when visits.exited_at is null then {{ elapsed_days('visits.entered_at', as_of()) }} end
    ) end as stay_days,
    versions.owner_key, coalesce(owners.name, owners.email, versions.owner_key) as owner, versions.team,
    deals.source, visits.pipeline, deals.order_type, deals.product, deals.segment, deals.industry, deals.country, deals.deal_size_band,
    deals.life_state, deals.furthest_stage_rank, deals.amount_base,
    row_number() over (partition by visits.deal_key, visits.pipeline, visits.stage order by visits.visit_number nulls last) as place
from {{ ref('deal_stage_visits') }} as visits
inner join {{ ref('int_kpi__deals') }} as deals on visits.deal_key = deals.deal_key and deals.is_conversion_deal
left join {{ ref('deal_versions') }} as versions
    on visits.deal_key = versions.deal_key and visits.entered_at >= versions.valid_from
    and (visits.entered_at < versions.valid_to or versions.valid_to is null)
left join {{ ref('owners') }} as owners on versions.owner_key = owners.owner_key
left join {{ ref('int_kpi__ignored_pipelines') }} as ignored
    on split_part(visits.deal_key, ':', 1) = ignored.source and visits.pipeline_id = ignored.pipeline_id
where ignored.pipeline_id is null
