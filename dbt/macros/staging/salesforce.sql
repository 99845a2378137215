{# How Salesforce spells a record: flat, every value text, a field without a value absent. #}
{% macro sf_struct(fields, column='body.payload') -%}
    {%- set typed = {} -%}
    {%- for name in fields if name %}{% do typed.update({name: 'VARCHAR'}) %}{% endfor -%}
    {{ salesops.json_struct(column, typed) }}
{%- endmacro %}

{# The newest records of an object; the loser of a merge names its survivor. #}
{% macro sf_records(object, fields) -%}
    {{ salesops.newest_records(source('salesforce', object), salesops.sf_struct(fields), 'MasterRecordId') }}
{%- endmacro %}

{# What the org calls what is its own, by our field (variable salesforce_fields); a field that it has not is not read. #}
{% macro sf_own_fields(object) -%}
    {%- set fields = {} -%}
    {%- for field, name in var('salesforce_fields')[object].items() if name %}{% do fields.update({field: name}) %}{% endfor -%}
    {{ return(fields) }}
{%- endmacro %}

{# Such a field of `versions`, text; null where the org has none. #}
{% macro sf_own(object, field, relation='versions') -%}
    {%- set name = salesops.sf_own_fields(object).get(field) -%}
    {%- if name %}{{ salesops.filled(relation ~ '.p.' ~ name | lower) }}{% else %}cast(null as string){% endif -%}
{%- endmacro %}

{# Users who are nobody: what they did, a machine did. #}
{% macro sf_machines() -%}
    (
        select record_id as user_id
        from {{ source('salesforce', 'users') }}
        where {{ salesops.known('landed_at') }}
            and {{ salesops.json_text('payload', 'UserType') }} in ('AutomatedProcess', 'CloudIntegrationUser', 'Guest')
        group by record_id
    )
{%- endmacro %}

{# A seller: a queue owns, but is nobody. #}
{% macro sf_owner(text) -%}case when {{ text }} like '005%' then {{ text }} end{%- endmacro %}

{# The record type is the pipeline; an org without has one, and so has the master record type. #}
{% macro sf_pipeline(text) -%}
    coalesce(nullif({{ salesops.filled(text) }}, '012000000000000AAA'), 'default')
{%- endmacro %}

{# Forecast categories by their API name or their label. #}
{% macro sf_forecast(text) -%}
    case replace(lower({{ text }}), ' ', '')
        when 'pipeline' then 'PIPELINE' when 'bestcase' then 'BEST_CASE' when 'forecast' then 'COMMIT' when 'commit' then 'COMMIT'
        when 'mostlikely' then 'MOST_LIKELY' when 'closed' then 'CLOSED' when 'omitted' then 'OMIT' else {{ salesops.filled(text) }}
    end
{%- endmacro %}

{# Why mail comes back; the vendor keeps the mail server's own words. #}
{% macro sf_bounce(text) -%}
    case
        when {{ salesops.matches('lower(' ~ text ~ ')', '(mailbox.?(is )?full|over.?quota|quota exceeded)') }} then 'mailbox_full'
        when {{ text }} <> '' then 'permanent'
    end
{%- endmacro %}

{# One spelling of a value of a record or of its history; '' = empty. #}
{% macro sf_value(kind, text) -%}
    {%- if kind == 'amount' -%}coalesce(cast({{ salesops.money(text) }} as string), '')
    {%- elif kind == 'number' -%}coalesce({{ salesops.replace_all(salesops.filled(text), '[.]0+$', '') }}, '')
    {%- elif kind == 'date' -%}coalesce(cast({{ salesops.vendor_date(text, "'UTC'") }} as string), '')
    {%- elif kind == 'owner' -%}coalesce({{ salesops.sf_owner(text) }}, '')
    {%- elif kind == 'record_type' -%}{{ salesops.sf_pipeline(text) }}
    {%- elif kind == 'forecast' -%}coalesce({{ salesops.sf_forecast(text) }}, '')
    {%- elif kind == 'bounce' -%}coalesce({{ salesops.sf_bounce(text) }}, '')
    {%- elif kind == 'lower' -%}coalesce(lower(trim({{ text }})), '')
    {%- else -%}coalesce(trim({{ text }}), ''){%- endif -%}
{%- endmacro %}

{# How a rule field is spelt. #}
{% macro sf_kind(field) -%}
    {{ return('date' if field.endswith('_date') else 'number' if field == 'term_months' else 'text') }}
{%- endmacro %}

{#
  History of an object as of (E, K): changed fields, and snapshots of the whole where the vendor keeps those (`snapshot`: the column there), which it
  writes at creation too. Of a field without them the value at creation is the one before the first change, whenever that was, else the record's own
  (of a field that nobody tracks only if `always`: it may have been changed since); an empty one was never set. A snapshot repeats what stayed:
  only changes are kept.
  fields: (our field, property, column of the record, kind of value, snapshot column). A lookup changes in two rows, one of ids and one of names.
#}
{% macro sf_history(object, key, fields, always=false) -%}
    {%- set columns = ['CreatedDate', 'CreatedById'] -%}
    {%- for field in fields if field[2] %}{% do columns.append(field[2]) %}{% endfor -%}
    {%- set is_id = salesops.matches('value', '^(005|00G|012)[A-Za-z0-9]{12}([A-Z0-9]{3})?$') -%}
    with given as (
        select * from {{ source('salesforce', object ~ '_history') }}
        where {{ salesops.known('landed_at') }} and (property not in ('Owner', 'RecordType', 'old:Owner', 'old:RecordType') or value = '' or {{ is_id }})
    ),

    born as (
        select record_id, p, landed_at, {{ salesops.vendor_instant('p.createddate') }} as created_at
        from (
            select record_id, landed_at, {{ salesops.sf_struct(columns, 'payload') }} as p, row_number() over (
                partition by record_id order by landed_at nulls last, version_at nulls last, payload_hash nulls last
            ) as choice
            from {{ source('salesforce', object) }} where {{ salesops.known('landed_at') }} and {{ salesops.json_text('payload', 'tombstone') }} is null
        ) as landed where choice = 1
    ),

    tracked as (select distinct property from given),

    befores as (
        select record_id, property, value
        from (
            select *, row_number() over (partition by record_id, property order by changed_at nulls last, batch_id nulls last, position desc) as choice
            from given where property like 'old:%'
        ) as listed where choice = 1
    ),

    entries as (
        {%- for name, property, column, kind, snapshot in fields %}
        select
            record_id, '{{ name }}' as field, {{ salesops.sf_value(kind, 'value') }} as value, changed_at, changed_by, landed_at, source_type, batch_id, position,
            {{ "max(case when source_type = 'snapshot' then 1 else 0 end) over (partition by record_id, changed_at)" if snapshot else '0' }} as has_snapshot
        from given
        where property = '{{ property }}' and source_type = 'field_history'{% if snapshot %} or property = '{{ snapshot }}' and source_type = 'snapshot'{% endif %}
        union all
        select
            born.record_id, '{{ name }}', {{ salesops.sf_value(kind, 'coalesce(befores.value, ' ~ (('born.p.' ~ column | lower) if column else "''") ~ ')') }}, born.created_at,
            born.p.createdbyid, born.landed_at, 'creation', 0, 0, 0
        from born
        left join befores on born.record_id = befores.record_id and befores.property = 'old:{{ property }}'
        {%- if snapshot %}
        left join (select distinct record_id from given where property = '{{ snapshot }}' and source_type = 'snapshot') as whole
            on born.record_id = whole.record_id
        {%- endif %}
        where {{ 'true' if always else "'" ~ property ~ "' in (select property from tracked)" }}{{ ' and whole.record_id is null' if snapshot }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ),

    ordered as (
        select *, row_number() over (
            partition by record_id, field order by changed_at nulls last, batch_id nulls last, source_type desc, position desc
        ) as number
        from entries
        where changed_at <= {{ salesops.as_of() }} and not (has_snapshot = 1 and source_type = 'field_history')
            and not (source_type = 'creation' and value = '')
    ),

    changes as (
        select * from (select *, lag(value) over (partition by record_id, field order by number nulls last) as value_before from ordered) as followed
        where value_before is null or value <> value_before
    )

    select
        changes.record_id as {{ key }}, changes.field, changes.value, changes.changed_at,
        row_number() over (partition by changes.record_id, changes.field, changes.changed_at order by changes.number desc) as position,
        case when machines.user_id is null then changes.changed_by end as changed_by, cast(null as string) as changed_through,
        machines.user_id is not null as is_automatic, changes.landed_at as known_from
    from changes
    left join {{ salesops.sf_machines() }} as machines on changes.changed_by = machines.user_id
{%- endmacro %}
