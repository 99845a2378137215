-- grain: one row per deal, field, instant and place at that instant (1 = the vendor's newest), cut by (E, K)
-- The stage is that of pd_stage at every instant at which stage, status or pipeline changed. A deal's first values are its creator's, made as its
-- origin says.
{%- set built_in = {
    'pipeline_id': 'pipeline_id', 'value': 'amount', 'currency': 'currency', 'expected_close_date': 'close_date', 'owner_id': 'owner_id', 'user_id': 'owner_id',
    'lost_reason': 'loss_reason'
} %}
{%- set through = "case changes.source_type when 'initial' then creators.origin else changes.source_type end" %}
{%- set carried = "over (partition by record_id order by changed_at nulls last rows between unbounded preceding and current row)" %}
with creators as (
    select record_id, min({{ json_text('payload', 'creator_user_id') }}) as user_id, min({{ json_text('payload', 'origin') }}) as origin
    from {{ source('pipedrive', 'deals') }} where {{ known('landed_at') }} group by record_id
),

entries as (
    select
        changes.record_id, changes.property, coalesce(changes.value, '') as value, changes.changed_at, changes.landed_at,
        coalesce(changes.changed_by, case when changes.source_type = 'initial' then creators.user_id end) as changed_by,
        case {{ through }} when 'app' then 'CRM_UI' when 'ManuallyCreated' then 'CRM_UI' else upper({{ through }}) end as changed_through,
        coalesce({{ through }} not in ('app', 'mobile', 'ManuallyCreated'), false) as is_automatic,
        row_number() over (
            partition by changes.record_id, changes.property, changes.changed_at order by changes.batch_id desc, changes.position nulls last, changes.value nulls last
        ) as position
    from {{ source('pipedrive', 'deals_history') }} as changes
    left join creators on changes.record_id = creators.record_id
    where changes.changed_at <= {{ as_of() }} and {{ known('changes.landed_at') }}
        and not (changes.property = 'status' and changes.value not in ('open', 'won', 'lost'))
),

points as (
    select
        record_id, changed_at, max(case when property = 'stage_id' then value end) as stage_id, max(case when property = 'status' then value end) as status,
        max(case when property = 'pipeline_id' then value end) as pipeline_id, max(changed_by) as changed_by, max(changed_through) as changed_through,
        max(case when is_automatic then 1 else 0 end) = 1 as is_automatic, max(landed_at) as landed_at
    from entries where property in ('stage_id', 'status', 'pipeline_id') and position = 1 and value <> ''
    group by record_id, changed_at
),

carried_on as (
    select
        record_id, changed_at, changed_by, changed_through, is_automatic, landed_at,
        {%- for field in ['stage_id', 'status', 'pipeline_id'] %}
        max_by({{ field }}, changed_at) filter (where {{ field }} is not null) {{ carried }} as {{ field }}{{ ',' if not loop.last }}
        {%- endfor %}
    from points
),

staged as (
    select *, lag(stage) over (partition by record_id order by changed_at nulls last) as stage_before
    from (select *, case when status in ('won', 'lost') then pipeline_id || '-' || status else stage_id end as stage from carried_on) as named
),

custom as (
    select entries.*, keys.field, coalesce(options.label, entries.value) as named
    from entries
    inner join {{ pd_keys('deals') }} as keys on entries.property = keys.field_code
    left join {{ pd_options('deals') }} as options on keys.field_code = options.field_code and entries.value = options.option_id
    where keys.field not in ('lead_source', 'campaign', 'order_type')
),

owned as (select distinct record_id from entries where property = 'owner_id'),

fields as (
    {%- for property, field in built_in.items() %}
    select
        entries.record_id, '{{ field }}' as field,
        {{ "coalesce(cast(" ~ pd_amount('entries.value') ~ " as string), '')" if property == 'value' else 'trim(entries.value)' }} as value,
        entries.changed_at, entries.position, entries.changed_by, entries.changed_through, entries.is_automatic, entries.landed_at
    from entries{% if property == 'user_id' %} left join owned on entries.record_id = owned.record_id{% endif %}
    where entries.property = '{{ property }}'{% if property == 'user_id' %} and owned.record_id is null{% endif %}
    union all
    {%- endfor %}
    select
        record_id, field, case
            when field like '%_date' and {{ matches('named', '^[0-9]{4}-[0-9]{2}-[0-9]{2}') }} then coalesce(cast(try_cast(left(named, 10) as date) as string), '')
            when field like '%_date' then ''
            when field = 'term_months' then {{ pd_own_value('term_months', 'named') }}
            else trim(named)
        end as value,
        changed_at, position, changed_by, changed_through, is_automatic, landed_at
    from custom
    union all
    select record_id, 'stage_id', stage, changed_at, 1, changed_by, changed_through, is_automatic, landed_at
    from staged where stage is not null and (stage_before is null or stage <> stage_before)
)

select record_id as deal_id, field, value, changed_at, position, changed_by, changed_through, is_automatic, landed_at as known_from
from fields
