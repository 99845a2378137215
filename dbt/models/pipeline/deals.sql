-- grain: one row per deal of every source, as of E; what must not count is kept and says why in `exclusion_reason`
-- Money (kpis.md 0.4): an open deal at the as-of day's rate, a won one at that of its booking date as it stood when the month was locked, a lost
-- one likewise on the day it was closed; what was created at the rate of the day on which it was settled.
with present as (
    select * from {{ ref('deal_versions') }} where valid_to is null
),

dated as (
    select
        records.*, present.pipeline, present.pipeline_id, present.stage, present.stage_id, present.stage_rank, present.life_state, present.amount,
        present.currency, present.valid_from as present_from, present.owner_key, present.team, present.close_date, present.forecast_category,
        case when records.source <> 'spreadsheets' then stories.closed_at when present.life_state in ('won', 'lost') then records.recorded_closed_at end as closed_at,
        stories.furthest_stage, stories.furthest_stage_rank, stories.push_count, stories.first_valid_from, stories.first_observed_at,
        case when present.life_state in ('won', 'lost') then stories.last_stage end as lost_stage,
        case when present.life_state in ('won', 'lost') then stories.last_stage_rank end as lost_stage_rank,
        case when records.source = 'spreadsheets' and records.sao_date > {{ as_of_date() }} then null
            when records.source = 'spreadsheets'
                then coalesce({{ local_midnight('records.sao_date') }}, records.created_at, case when present.life_state in ('won', 'lost') then records.recorded_closed_at end)
            when stories.qualified_at is not null then stories.qualified_at
            when present.life_state = 'won' then least(records.created_at, stories.closed_at)
            when present.life_state = 'lost' and stories.opened_at is null then records.created_at
        end as sao_at,
        stories.qualified_at is null as is_sao_derived
    from {{ ref('int_pipeline__deal_records') }} as records
    inner join present on records.deal_key = present.deal_key
    inner join {{ ref('int_pipeline__deal_stories') }} as stories on records.deal_key = stories.deal_key
),

localised as (
    select
        *, {{ local_date('sao_at') }} as accepted_date, {{ local_date('closed_at') }} as closed_date,
        case life_state when 'won' then coalesce(close_date, {{ local_date('closed_at') }}) when 'lost' then {{ local_date('closed_at') }} end as booking_date,
        case life_state
            when 'open' then {{ as_of_date() }}
            when 'won' then coalesce(close_date, {{ local_date('closed_at') }}, {{ local_date('present_from') }})
            when 'lost' then coalesce({{ local_date('closed_at') }}, {{ local_date('present_from') }})
            else {{ local_date('present_from') }}
        end as valued_date
    from dated
),

working_days as (
    select date, working_day_number from {{ ref('calendar') }} where country = '{{ var("company_country") }}'
),

owned as (
    select
        localised.*, at_acceptance.owner_key as sao_owner_key, at_acceptance.team as sao_team, at_creation.owner_key as created_owner_key,
        profiles.segment, profiles.industry, profiles.country, profiles.employees_band
    from localised
    left join {{ ref('deal_versions') }} as at_acceptance
        on localised.deal_key = at_acceptance.deal_key and greatest(localised.sao_at, localised.first_valid_from) >= at_acceptance.valid_from
        and (greatest(localised.sao_at, localised.first_valid_from) < at_acceptance.valid_to or at_acceptance.valid_to is null)
    left join {{ ref('deal_versions') }} as at_creation
        on localised.deal_key = at_creation.deal_key and localised.first_valid_from = at_creation.valid_from
    left join {{ ref('company_versions') }} as profiles
        on localised.company_key = profiles.company_key and coalesce(localised.created_at, localised.first_valid_from) >= profiles.valid_from
        and (coalesce(localised.created_at, localised.first_valid_from) < profiles.valid_to or profiles.valid_to is null)
),

-- M06: the first amount is often blank, so what was created is what stood fourteen days after the acceptance
settled as (
    select owned.deal_key, {{ in_base('versions.amount', 'versions.currency', 'rates.rate_to_base') }} as created_amount_base
    from owned
    inner join {{ ref('deal_versions') }} as versions
        on owned.deal_key = versions.deal_key
        and greatest(least(owned.sao_at + interval 14 day, {{ as_of() }}), owned.first_valid_from) >= versions.valid_from
        and (greatest(least(owned.sao_at + interval 14 day, {{ as_of() }}), owned.first_valid_from) < versions.valid_to or versions.valid_to is null)
    left join {{ ref('exchange_rates') }} as rates
        on {{ rate_of('rates', 'versions.currency', local_date('least(owned.sao_at + interval 14 day, ' ~ as_of() ~ ')')) }}
),

at_closing as (
    select owned.deal_key, versions.owner_key, versions.team, versions.amount, versions.currency
    from owned
    inner join {{ ref('deal_versions') }} as versions
        on owned.deal_key = versions.deal_key and greatest(owned.closed_at, owned.first_valid_from) >= versions.valid_from
        and (greatest(owned.closed_at, owned.first_valid_from) < versions.valid_to or versions.valid_to is null)
),

loss_groups as (
    select deal_key, max_by(loss_reason_group, lpad(cast(length(pattern) as string), 4, '0') || pattern || '|' || loss_reason_group) as loss_reason_group
    from owned
    inner join {{ ref('loss_reason_groups') }} as patterns on lower(owned.loss_reason) like '%' || patterns.pattern || '%'
    group by deal_key
)

{%- set closed = "owned.life_state in ('won', 'lost')" %}
{%- set present_rate = rate_for('rates', 'owned.life_state') %}

select
    {%- for column in ['deal_key', 'source', 'deal_id', 'name', 'url', 'pipeline', 'pipeline_id', 'stage', 'stage_id', 'life_state', 'currency'] %}
    cast(owned.{{ column }} as string) as {{ column }},
    {%- endfor %}
    cast(owned.stage_rank as bigint) as stage_rank,
    cast(owned.amount as decimal(18, 2)) as amount,
    cast({{ in_base('owned.amount', 'owned.currency', present_rate) }} as decimal(18, 2)) as amount_base,
    {%- for column, kind in {'closed_amount_base': 'booking_rate_to_base', 'closed_amount_plan': 'plan_rate_to_base'}.items() %}
    cast(case when {{ closed }} then {{ in_base('at_closing.amount', 'at_closing.currency', 'closing_rates.' ~ kind) }} end as decimal(18, 2)) as {{ column }},
    {%- endfor %}
    cast(coalesce(rates.is_stale, false) as boolean) as is_rate_stale,
    cast({{ in_base('owned.acv', 'owned.currency', present_rate) }} as decimal(18, 2)) as acv,
    cast(coalesce(order_types.order_type, 'unknown') as string) as order_type,
    {%- for column in ['owner_key', 'team'] %}
    cast(case when {{ closed }} then at_closing.{{ column }} else owned.{{ column }} end as string) as {{ column }},
    cast(case when owned.sao_at is not null then owned.sao_{{ column }} end as string) as sao_{{ column }},
    {%- endfor %}
    {%- for column in [
        'company_key', 'contact_key', 'created_owner_key', 'lead_source', 'campaign', 'product', 'competitor', 'next_step', 'forecast_category', 'segment',
        'industry', 'country', 'employees_band'] %}
    cast(owned.{{ column }} as string) as {{ column }},
    {%- endfor %}
    cast(round(owned.discount_share * 1e6) / 1e6 as double) as discount_share,
    cast({{ discount_band('round(owned.discount_share * 1e6) / 1e6') }} as string) as discount_band,
    cast(round(owned.margin_share * 1e6) / 1e6 as double) as margin_share,
    cast(settled.created_amount_base as decimal(18, 2)) as created_amount_base,
    cast(case when owned.sao_at is not null then owned.sao_at + interval 14 day > {{ as_of() }} end as boolean) as is_created_provisional,
    cast({{ deal_size_band('settled.created_amount_base') }} as string) as deal_size_band,
    owned.created_at, owned.first_observed_at, owned.sao_at, owned.closed_at,
    {%- for name, column in {
        'created_date': 'created_date', 'sao_date': 'accepted_date', 'closed_date': 'closed_date', 'close_date': 'close_date', 'booking_date': 'booking_date'
    }.items() %}
    cast(owned.{{ column }} as date) as {{ name }},
    {%- endfor %}
    cast(case when owned.life_state = 'lost' then owned.loss_reason end as string) as loss_reason,
    cast(case when owned.life_state = 'lost' and owned.loss_reason is not null then coalesce(loss_groups.loss_reason_group, 'other') end as string) as loss_reason_group,
    cast(case when owned.life_state = 'lost' then owned.lost_stage end as string) as lost_from_stage,
    cast(case when owned.life_state = 'lost' then owned.lost_stage_rank end as bigint) as lost_from_stage_rank,
    cast(owned.furthest_stage as string) as furthest_stage,
    cast(owned.furthest_stage_rank as bigint) as furthest_stage_rank,
    cast(owned.push_count as bigint) as push_count,
    cast(coalesce(closed_days.working_day_number - typed_days.working_day_number > 3, false) and owned.life_state = 'won' as boolean) as is_backdated,
    cast(owned.is_reconstructed or (owned.is_sao_derived and owned.sao_at is not null) as boolean) as is_reconstructed,
    cast(exclusions.reason is not null as boolean) as is_excluded,
    cast(exclusions.reason as string) as exclusion_reason,
    case when owned.life_state in ('removed', 'merged') then owned.removed_at end as removed_at,
    cast(owned.merged_into_key as string) as merged_into_key,
    owned.known_from
from owned
left join at_closing on owned.deal_key = at_closing.deal_key
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'owned.currency', 'owned.valued_date') }}
left join {{ ref('exchange_rates') }} as closing_rates on {{ rate_of('closing_rates', 'at_closing.currency', 'owned.valued_date') }}
left join settled on owned.deal_key = settled.deal_key
left join {{ ref('int_pipeline__order_types') }} as order_types on owned.source = order_types.source and lower(trim(owned.order_type_text)) = order_types.value
left join loss_groups on owned.deal_key = loss_groups.deal_key
left join {{ ref('int_pipeline__deal_exclusions') }} as exclusions on owned.deal_key = exclusions.deal_key
left join working_days as closed_days on owned.closed_date = closed_days.date
left join working_days as typed_days on owned.close_date = typed_days.date
