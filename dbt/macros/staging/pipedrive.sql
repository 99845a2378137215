{# The newest records of an object as of (E, K); `p` is the payload as it came. #}
{% macro pd_records(object) -%}
    {{ salesops.newest_records(source('pipedrive', object), 'body.payload') }}
{%- endmacro %}

{# The same with the fields that `fields` names typed as `r`; all text but those of `numbers`, which are exact there and not in a text. #}
{% macro pd_typed(object, fields, numbers=[]) -%}
    select *, {{ salesops.pd_struct(fields, numbers) }} as r from ({{ salesops.pd_records(object) }}) as newest
{%- endmacro %}

{% macro pd_struct(fields, numbers=[], column='p') -%}
    {%- set typed = {} -%}
    {%- for name in fields %}{% do typed.update({name: 'VARCHAR'}) %}{% endfor -%}
    {%- for name in numbers %}{% do typed.update({name: 'DECIMAL(38,6)'}) %}{% endfor -%}
    {{ salesops.json_struct(column, typed) }}
{%- endmacro %}

{# What the company calls its custom fields, by our field (variable pipedrive_fields, and the organisation number's own); a field that it has not is not
   read. #}
{% macro pd_own_names(object) -%}
    {%- set fields = {} -%}
    {%- for field, name in var('pipedrive_fields')[object].items() if name %}{% do fields.update({field: name}) %}{% endfor -%}
    {%- if object == 'organizations' %}{% do fields.update({'legal_id': var('company_number_fields').pipedrive}) %}{% endif -%}
    {{ return(fields) }}
{%- endmacro %}

{# Their keys at K: a row for each of our fields that the account has, found by its name or by its key. #}
{% macro pd_keys(object) -%}
    (
        select names.field, min(listed.field_code) as field_code
        from {{ salesops.text_rows(salesops.pd_own_names(object).items() | list, ['field', 'name']) }} as names
        inner join (
            select record_id as field_code, lower(trim({{ salesops.json_text('payload', 'field_name') }})) as name
            from {{ salesops.last_listed(source('pipedrive', object[:-1] ~ '_fields')) }} as present
        ) as listed on lower(trim(names.name)) = listed.name or names.name = listed.field_code
        group by names.field
    )
{%- endmacro %}

{# What the options of an object's fields are called: the newest name of each, those taken away since too. #}
{% macro pd_options(object) -%}
    (
        select field_code, option_id, label
        from (
            select field_code, {{ salesops.json_text('item', 'id') }} as option_id, {{ salesops.json_text('item', 'label') }} as label, row_number() over (
                partition by field_code, {{ salesops.json_text('item', 'id') }} order by landed_at desc, payload_hash desc, position nulls last
            ) as choice
            from {{ salesops.json_rows(
                '(select record_id as field_code, payload, payload_hash, landed_at from ' ~ source('pipedrive', object[:-1] ~ '_fields') ~ ' where '
                ~ salesops.known('landed_at') ~ ') as versions', 'field_code, landed_at, payload_hash', 'payload', 'options'
            ) }} as listed
        ) as named
        where choice = 1
    )
{%- endmacro %}

{# One row per `key` of `versions` (whose payload is `p`) with a column for each of our custom fields: an option by its name, an amount without its
   currency, which is a column of its own. #}
{% macro pd_own(object, versions, key) -%}
    {%- set value = salesops.json_member('versions.p', 'custom_fields', 'keys.field_code') -%}
    select
        {{ key }}
        {%- for field in salesops.pd_own_names(object) %},
        max(case when field = '{{ field }}' then {{ salesops.filled('value') }} end) as {{ field }}
        {%- endfor %},
        max(case when field = 'revenue' then currency end) as revenue_currency
    from (
        select given.*, coalesce(options.label, {{ salesops.json_text("case when given.given_value like '{%' then given.given_value end", 'value') }}, given.given_value) as value,
            {{ salesops.json_text("case when given.given_value like '{%' then given.given_value end", 'currency') }} as currency
        from (select versions.*, keys.field, keys.field_code, {{ value }} as given_value from {{ versions }} as versions cross join {{ salesops.pd_keys(object) }} as keys) as given
        left join {{ salesops.pd_options(object) }} as options on given.field_code = options.field_code and given.given_value = options.option_id
    ) as named
    group by {{ key }}
{%- endmacro %}

{# The stage of a deal: won and lost are a status beside the last open stage, and stages of their own here. What a deleted deal was before shows by
   its closing times. #}
{% macro pd_stage(r) -%}
    case
        when {{ r }}.status = 'won' or {{ r }}.status = 'deleted' and {{ r }}.won_time is not null then {{ r }}.pipeline_id || '-won'
        when {{ r }}.status = 'lost' or {{ r }}.status = 'deleted' and {{ r }}.lost_time is not null then {{ r }}.pipeline_id || '-lost'
        else {{ r }}.stage_id
    end
{%- endmacro %}

{# An amount: 0 stands where nobody gave one. #}
{% macro pd_amount(text) -%}nullif({{ salesops.money(text) }}, 0){%- endmacro %}

{# A whole number without a point; '36.0' is 36. #}
{% macro pd_whole(text) -%}{{ salesops.replace_all(salesops.filled(text), '[.]0+$', '') }}{%- endmacro %}

{# One spelling of a custom field of deals; '' is empty. #}
{% macro pd_own_value(field, text) -%}
    {%- if field.endswith('_date') -%}coalesce(cast({{ salesops.vendor_date(text, "'UTC'") }} as string), '')
    {%- elif field == 'term_months' -%}coalesce({{ salesops.pd_whole(text) }}, '')
    {%- else -%}coalesce(trim({{ text }}), ''){%- endif -%}
{%- endmacro %}

{#
  What landed versions say of the past where the vendor keeps none: a row for each version that brought another value. When the first one got its
  values nobody knows, unless it was never changed since its creation: `is_first_kept` where it stands for
  the time before it all the same. `fields`: our field -> SQL over columns of `versions`.
#}
{% macro pd_landed_history(key, fields, is_first_kept=false) -%}
    select
        {{ key }}, field, value, changed_at, row_number() over (
            partition by {{ key }}, field, changed_at order by landed_at desc, payload_hash desc
        ) as position, cast(null as string) as changed_by, cast(null as string) as changed_through, false as is_automatic, landed_at as known_from
    from (
        select *, lag(value) over (partition by {{ key }}, field order by changed_at nulls last, landed_at nulls last, payload_hash nulls last) as value_before
        from (
            {%- for field, value in fields.items() %}
            select record_id as {{ key }}, '{{ field }}' as field, coalesce({{ value }}, '') as value, version_at as changed_at, landed_at, payload_hash, created_at
            from versions
            {{ 'union all' if not loop.last }}
            {%- endfor %}
        ) as held
    ) as followed
    where value <> value_before or value_before is null{{ '' if is_first_kept else ' and changed_at <= created_at' }}
{%- endmacro %}
