{# JSON, patterns and lists: what DuckDB and Spark spell differently. #}

{% macro matches(text, pattern) -%}{{ return(adapter.dispatch('matches', 'salesops')(text, pattern)) }}{%- endmacro %}
{% macro default__matches(text, pattern) -%}regexp_matches({{ text }}, '{{ pattern }}'){%- endmacro %}
{% macro spark__matches(text, pattern) -%}rlike({{ text }}, '{{ pattern }}'){%- endmacro %}

{# Every match replaced, on both engines. #}
{% macro replace_all(text, pattern, by) -%}{{ return(adapter.dispatch('replace_all', 'salesops')(text, pattern, by)) }}{%- endmacro %}
{% macro default__replace_all(text, pattern, by) -%}regexp_replace({{ text }}, '{{ pattern }}', '{{ by }}', 'g'){%- endmacro %}
{% macro spark__replace_all(text, pattern, by) -%}regexp_replace({{ text }}, '{{ pattern }}', '{{ by }}'){%- endmacro %}

{# Values joined by ', ' in the order given. #}
{% macro ordered_list(value, order_by) -%}{{ return(adapter.dispatch('ordered_list', 'salesops')(value, order_by)) }}{%- endmacro %}
{% macro default__ordered_list(value, order_by) -%}string_agg({{ value }}, ', ' order by {{ order_by }}){%- endmacro %}
{% macro spark__ordered_list(value, order_by) -%}listagg({{ value }}, ', ') within group (order by {{ order_by }}){%- endmacro %}

{# One text field of a JSON column: for one field only; several go through json_struct. #}
{% macro json_text(column, path) -%}{{ return(adapter.dispatch('json_text', 'salesops')(column, path)) }}{%- endmacro %}
{% macro default__json_text(column, path) -%}({{ column }} ->> '$.{{ path }}'){%- endmacro %}
{% macro spark__json_text(column, path) -%}get_json_object({{ column }}, '$.{{ path }}'){%- endmacro %}

{# The member of the object `child` of a JSON column whose name stands in a column. #}
{% macro json_member(column, child, key) -%}{{ return(adapter.dispatch('json_member', 'salesops')(column, child, key)) }}{%- endmacro %}
{% macro default__json_member(column, child, key) -%}(({{ column }} -> '{{ child }}') ->> {{ key }}){%- endmacro %}
{% macro spark__json_member(column, child, key) -%}get_json_object({{ column }}, '$.{{ child }}.' || {{ key }}){%- endmacro %}

{# The payload parsed once. `outer` is name -> type; `inner` the fields, all text, of the object `child`. #}
{% macro json_struct(column, outer, child=none, inner=[]) -%}
    {{ return(adapter.dispatch('json_struct', 'salesops')(column, outer, child, inner)) }}
{%- endmacro %}
{% macro default__json_struct(column, outer, child, inner) -%}
    {%- set parts = [] -%}
    {%- for name, type in outer.items() %}{% do parts.append('"' ~ name ~ '":"' ~ type ~ '"') %}{% endfor -%}
    {%- if child -%}
        {%- set fields = [] -%}
        {%- for name in inner %}{% do fields.append('"' ~ name ~ '":"VARCHAR"') %}{% endfor -%}
        {%- do parts.append('"' ~ child ~ '":{' ~ fields | join(',') ~ '}') -%}
    {%- endif -%}
    from_json({{ column }}, '{ {{- parts | join(',') -}} }')
{%- endmacro %}
{% macro spark__json_struct(column, outer, child, inner) -%}
    {%- set parts = [] -%}
    {%- for name, type in outer.items() %}{% do parts.append('`' ~ name ~ '` ' ~ ('string' if type == 'VARCHAR' else type)) %}{% endfor -%}
    {%- if child -%}
        {%- set fields = [] -%}
        {%- for name in inner %}{% do fields.append('`' ~ name ~ '`: string') %}{% endfor -%}
        {%- do parts.append('`' ~ child ~ '` struct<' ~ fields | join(', ') ~ '>') -%}
    {%- endif -%}
    from_json({{ column }}, '{{ parts | join(', ') }}')
{%- endmacro %}

{# One row per element of a JSON list: the key columns, item (JSON text), position from 1. #}
{% macro json_rows(relation, keys, column, path) -%}
    {{ return(adapter.dispatch('json_rows', 'salesops')(relation, keys, column, path)) }}
{%- endmacro %}
{% macro default__json_rows(relation, keys, column, path) -%}
    (select {{ keys }}, unnest(json_extract({{ column }}, '$.{{ path }}[*]')) as item,
        generate_subscripts(json_extract({{ column }}, '$.{{ path }}[*]'), 1) as position
    from {{ relation }})
{%- endmacro %}
{% macro spark__json_rows(relation, keys, column, path) -%}
    (select {{ keys }}, item, position + 1 as position
    from {{ relation }} lateral view posexplode(from_json(get_json_object({{ column }}, '$.{{ path }}'), 'array<string>')) e as position, item)
{%- endmacro %}

{# Rows out of a variable: a list of lists of texts under the named text columns; no rows when the list is empty. #}
{% macro text_rows(rows, columns) -%}
    {%- set selects = [] -%}
    {%- for row in rows -%}
        {%- set cells = [] -%}
        {%- for name in columns -%}
            {%- do cells.append("cast('" ~ (row[loop.index0] | string | replace("'", "''")) ~ "' as string) as " ~ name) -%}
        {%- endfor -%}
        {%- do selects.append('select ' ~ cells | join(', ')) -%}
    {%- endfor -%}
    {%- if not selects -%}
        {%- set cells = [] -%}
        {%- for name in columns %}{% do cells.append('cast(null as string) as ' ~ name) %}{% endfor -%}
        {%- do selects.append('select ' ~ cells | join(', ') ~ ' where 1 = 0') -%}
    {%- endif -%}
    ({{ selects | join(' union all\n    ') }})
{%- endmacro %}

{# A list of texts as rows of one text each, for text_rows. #}
{% macro as_rows(values) -%}
    {%- set rows = [] -%}
    {%- for value in values %}{% do rows.append([value]) %}{% endfor -%}
    {{ return(rows) }}
{%- endmacro %}

{# Spark cannot add NOT NULL to a Parquet table: its contracts check names and types. #}
{% macro spark__persist_constraints(relation, model) %}{% endmacro %}
