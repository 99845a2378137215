{# The objects of the catalogue (ingestion/objects.py) that dbt knows as sources; tests/unit/test_house.py holds the two together. #}
{% macro landed_objects() -%}
    {{ return({
        'hubspot': [
            'contacts', 'companies', 'deals', 'leads', 'calls', 'emails', 'meetings', 'notes', 'tasks', 'owners', 'pipelines', 'lead_pipelines',
            'properties', 'line_items', 'account_info'
        ],
        'salesforce': [
            'opportunities', 'accounts', 'contacts', 'leads', 'line_items', 'contact_roles', 'tasks', 'events', 'email_messages',
            'campaigns', 'campaign_members', 'products', 'users', 'user_roles', 'stages', 'lead_statuses', 'record_types',
            'sales_processes', 'currencies', 'conversion_rates', 'organization', 'fields'
        ],
        'pipedrive': [
            'deals', 'persons', 'organizations', 'activities', 'leads', 'notes', 'deal_products', 'products', 'pipelines', 'stages', 'users', 'teams',
            'deal_fields', 'person_fields', 'organization_fields', 'activity_types', 'account_info'
        ],
        'spreadsheets': ['deals', 'companies', 'products', 'owners', 'activities', 'targets', 'contracts', 'exchange_rates', 'rulings',
            'firmographics', 'technographics', 'company_signals'],
        'exchange_rates': ['reference_rates'],
        'registries': ['norway', 'finland'],
    }) }}
{%- endmacro %}

{#
  Raw records as of (E, K), one row per record, its payload typed as `p` by `struct`. One rule for every object (kpis.md 0.2): the newest version
  with version_at <= E, else the oldest version known, flagged is_reconstructed. A tombstone has no fields: the record keeps the last ones that it
  had, and `deletion` says what became of it (removed, merged, erased; NULL = alive at E). `merged_into`: where a payload names the survivor.
#}
{% macro newest_records(relation, struct, merged_into='merged_into') -%}
    select
        body.record_id, {{ struct }} as p,
        case
            when not coalesce(state.is_deleted, false) then cast(null as string)
            else coalesce(state.tombstone, case when state.merged_into is not null then 'merged' end, 'removed')
        end as deletion,
        case when coalesce(state.is_deleted, false) then state.version_at end as deleted_at,
        case when coalesce(state.is_deleted, false) then state.merged_into end as merged_into,
        body.version_at, body.is_later as is_reconstructed, body.known_from
    from (
        select *, row_number() over (
            partition by record_id order by is_later nulls last, case when not is_later then version_at end desc,
            case when not is_later then landed_at end desc, version_at nulls last, landed_at nulls last, payload_hash nulls last
        ) as choice
        from ({{ salesops.landed_versions(relation, merged_into) }}) as landed where tombstone is null
    ) as body
    left join (
        select * from (
            select *, row_number() over (
                partition by record_id order by version_at desc, landed_at desc, is_deleted desc, payload_hash desc
            ) as choice
            from ({{ salesops.landed_versions(relation, merged_into) }}) as landed where not is_later
        ) as past where choice = 1
    ) as state on body.record_id = state.record_id
    where body.choice = 1
{%- endmacro %}

{% macro landed_versions(relation, merged_into='merged_into') -%}
    select
        record_id, payload, payload_hash, version_at, is_deleted, landed_at,
        case when is_deleted then {{ salesops.json_text('payload', 'tombstone') }} end as tombstone,
        case when is_deleted then {{ salesops.json_text('payload', merged_into) }} end as merged_into,
        version_at > {{ as_of() }} as is_later, min(landed_at) over (partition by record_id) as known_from
    from {{ relation }} where {{ salesops.known('landed_at') }}
{%- endmacro %}

{# What a source listed of definitions, which have no time of their own, when it was last asked by K. #}
{% macro last_listed(relation) -%}
    (
        select * from (
            select *, row_number() over (
                partition by record_id order by landed_at desc, version_at desc, is_deleted desc, payload_hash desc
            ) as choice
            from {{ relation }} where {{ salesops.known('landed_at') }}
        ) as landed
        where choice = 1 and not is_deleted
    )
{%- endmacro %}

{# When users who are deactivated and not deleted left: of each that is gone, the stamp of the first version that says so after the last active one.
   `is_gone`: SQL over a landed version; `which`: the versions that say anything of it. #}
{% macro departures(relation, is_gone, which='true') -%}
    select states.record_id, min(states.version_at) as left_at
    from (
        select
            record_id, version_at, {{ is_gone }} as is_gone,
            max(case when not ({{ is_gone }}) then version_at end) over (partition by record_id) as active_at
        from {{ relation }} where {{ salesops.known('landed_at') }} and version_at <= {{ salesops.as_of() }} and {{ which }}
    ) as states
    where states.is_gone and states.version_at > coalesce(states.active_at, {{ salesops.timestamp_literal('1900-01-01T00:00:00+00:00') }})
    group by states.record_id
{%- endmacro %}
