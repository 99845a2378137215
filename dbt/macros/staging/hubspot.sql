{# How HubSpot spells a record: its properties are text, in an object of their own. #}
{% macro hubspot_struct(column, fields) -%}
    {{ salesops.json_struct(column, {
        'id': 'VARCHAR', 'createdAt': 'VARCHAR', 'updatedAt': 'VARCHAR', 'archivedAt': 'VARCHAR', 'archived': 'BOOLEAN'
    }, 'properties', fields) }}
{%- endmacro %}

{% macro newest_versions(relation, fields) -%}
    {{ salesops.newest_records(relation, salesops.hubspot_struct('body.payload', fields)) }}
{%- endmacro %}

{# Associations alive at K: one row per pair; the primary label first. Links carry no vendor time of their own. #}
{% macro newest_links(relation) -%}
    select
        from_id, to_id, max(case when lower(coalesce(label, '')) like '%primary%' then 1 else 0 end) = 1 as is_primary,
        {{ salesops.ordered_list('label', 'label') }} as labels
    from (
        select *, row_number() over (
            partition by from_id, to_id, category, type_id order by landed_at desc, batch_id desc, is_deleted desc
        ) as choice
        from {{ relation }} where {{ salesops.known('landed_at') }}
    ) as landed
    where choice = 1 and not is_deleted
    group by from_id, to_id
{%- endmacro %}

{# Property history as of (E, K) of the properties that `fields` (our field -> property) names: one row per record, field and instant; of equal instants
   the vendor's newest first. #}
{% macro vendor_history(relation, key, fields) -%}
    select
        record_id as {{ key }}, case property {%- for field, property in fields.items() %} when '{{ property }}' then '{{ field }}'{% endfor %} end as field,
        coalesce(value, '') as value, changed_at, source_type as changed_through,
        coalesce(source_type in ('AUTOMATION_PLATFORM', 'WORKFLOWS', 'INTEGRATION', 'API', 'IMPORT', 'FORM', 'MIGRATION'), false) as is_automatic,
        changed_by, landed_at as known_from,
        row_number() over (
            partition by record_id, property, changed_at order by batch_id desc, position nulls last, value nulls last
        ) as position
    from {{ relation }} where changed_at <= {{ as_of() }} and {{ salesops.known('landed_at') }}
        and property in ('{{ fields.values() | join("', '") }}')
{%- endmacro %}

{# The portal's zone and currency as of (E, K), else the oldest known, the company's where account information was not given. #}
{% macro portal() -%}
    (
        select
            coalesce(max({{ salesops.json_text('payload', 'timeZone') }}), '{{ var("company_timezone") }}') as zone,
            coalesce(max({{ salesops.json_text('payload', 'companyCurrency') }}), '{{ var("company_currency") }}') as currency,
            max({{ salesops.json_text('payload', 'portalId') }}) as portal_id, max({{ salesops.json_text('payload', 'uiDomain') }}) as ui_domain
        from (
            select payload, row_number() over (
                order by case when version_at <= {{ salesops.as_of() }} then 0 else 1 end, case when version_at <= {{ salesops.as_of() }} then version_at end desc,
                case when version_at <= {{ salesops.as_of() }} then landed_at end desc, version_at nulls last, landed_at nulls last, payload_hash nulls last
            ) as choice
            from {{ source('hubspot', 'account_info') }} where not is_deleted and {{ salesops.known('landed_at') }}
        ) as given
        where choice = 1
    )
{%- endmacro %}

{# Stages of pipelines as of (E, K): of every version stamped up to E, else of the oldest known. A stage that the newest of them no longer
   has, or whose pipeline is gone, still explains old deals and is `is_vanished`. A probability above 1 is a percentage, divided once.
   present_pipeline and present_label are the names of today (of K), whatever E: configuration speaks of them. #}
{% macro pipeline_stages() -%}
    select
        typed.pipeline_id, newest.pipeline, newest.present_pipeline, typed.stage_id, typed.label, typed.present_label,
        case when typed.probability > 1 then typed.probability / cast(100 as decimal(18, 4)) else typed.probability end as probability,
        typed.is_closed, newest.is_deleted or typed.version_number < newest.stages_version_number as is_vanished,
        case when not typed.is_closed then 'open' when typed.probability >= 1 then 'won' else 'lost' end as life_state,
        case when not typed.is_closed then row_number() over (
            partition by typed.pipeline_id, typed.is_closed
            order by typed.display_order nulls last, typed.version_number desc, typed.position nulls last, typed.stage_id nulls last
        ) end as stage_rank
    from (
        select
            pipeline_id, version_number, position, is_used, {{ salesops.json_text('item', 'id') }} as stage_id, {{ salesops.json_text('item', 'label') }} as label,
            first_value({{ salesops.json_text('item', 'label') }}) over (
                partition by pipeline_id, {{ salesops.json_text('item', 'id') }} order by version_number desc, position nulls last
            ) as present_label,
            try_cast({{ salesops.json_text('item', 'displayOrder') }} as bigint) as display_order,
            try_cast({{ salesops.json_text('item', 'metadata.probability') }} as decimal(18, 4)) as probability,
            coalesce(lower({{ salesops.json_text('item', 'metadata.isClosed') }}) = 'true', false) as is_closed,
            row_number() over (
                partition by pipeline_id, is_used, {{ salesops.json_text('item', 'id') }} order by version_number desc, position nulls last
            ) as choice
        from {{ salesops.json_rows('versions', 'pipeline_id, version_number, is_used', 'payload', 'stages') }} as listed
    ) as typed
    inner join (
        select
            pipeline_id, max_by(is_deleted, version_number) filter (where is_used and is_deleted is not null) as is_deleted,
            max(version_number) filter (where is_used and pipeline is not null) as stages_version_number,
            max_by(pipeline, version_number) filter (where is_used and pipeline is not null) as pipeline,
            max_by(pipeline, version_number) filter (where pipeline is not null) as present_pipeline
        from versions group by pipeline_id
    ) as newest on typed.pipeline_id = newest.pipeline_id
    where typed.choice = 1 and typed.is_used
{%- endmacro %}

{% macro pipeline_versions(relation) -%}
    select
        pipeline_id, payload, pipeline, is_deleted, version_number,
        version_at <= {{ salesops.as_of() }} or (first_version_at > {{ salesops.as_of() }} and version_number = 1) as is_used
    from (
        select
            record_id as pipeline_id, payload, {{ salesops.json_text('payload', 'label') }} as pipeline, is_deleted, version_at, landed_at, payload_hash,
            min(version_at) over (partition by record_id) as first_version_at,
            row_number() over (partition by record_id order by version_at nulls last, landed_at nulls last, payload_hash nulls last) as version_number
        from {{ relation }} where {{ salesops.known('landed_at') }}
    ) as landed
{%- endmacro %}

{# Our field -> the portal's property: what makes up a deal's history. #}
{% macro deal_history_properties() -%}
    {{ return({
        'stage_id': 'dealstage', 'pipeline_id': 'pipeline', 'amount': 'amount', 'currency': 'deal_currency_code', 'close_date': 'closedate',
        'owner_id': 'hubspot_owner_id', 'forecast_category': 'hs_manual_forecast_category'
    }) }}
{%- endmacro %}

{# Fields of deals that the CRM rules read, beside those of the history: a column each in what every CRM lands. #}
{% macro rule_fields() -%}
    {{ return(['next_step', 'next_step_date', 'competitor', 'legal_date', 'signed_date', 'term_months', 'loss_reason']) }}
{%- endmacro %}

{# Our field -> the portal's property, for what the CRM rules read (variable deal_properties); a field without a property is not read. #}
{% macro rule_properties() -%}
    {%- set fields = {} -%}
    {%- for field, property in var('deal_properties').items() if property %}{% do fields.update({field: property}) %}{% endfor -%}
    {{ return(fields) }}
{%- endmacro %}

{# One spelling of such a property: '' is empty, a date is a date of the portal's zone. Wants the portal joined as `portal`. #}
{% macro rule_value(text, field) -%}
    {%- if field.endswith('_date') -%}coalesce(cast({{ salesops.vendor_date(text, 'portal.zone') }} as string), '')
    {%- else -%}coalesce(trim({{ text }}), ''){%- endif -%}
{%- endmacro %}

{# Text that is empty is absent. #}
{% macro filled(column) -%}nullif(trim({{ column }}), ''){%- endmacro %}

{# An amount, exact; absent where it is no number, or 10 trillion and more: those are slips of a key, and sums of them would not fit. #}
{% macro money(column) -%}cast(try_cast({{ salesops.filled(column) }} as decimal(15, 2)) as decimal(18, 2)){%- endmacro %}

{# A price, cost or discount of one unit, exact: small units have fractions of a cent. #}
{% macro unit_money(column) -%}try_cast({{ salesops.filled(column) }} as decimal(18, 6)){%- endmacro %}

{# Why mail to a contact comes back for good; a full mailbox is another thing. #}
{% macro bounce_kind(column) -%}
    case when upper({{ column }}) = 'MAILBOX_FULL' then 'mailbox_full' when {{ column }} <> '' then 'permanent' end
{%- endmacro %}
