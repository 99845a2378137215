{# M28: what customers are looked at by, one part or two together; size x industry is the segment. #}
{% macro profile_parts() %}{{ return(['segment', 'industry', 'employees_band', 'country', 'source', 'product']) }}{% endmacro %}

{% macro profile_dimensions() -%}
    {%- set found = [['company']] -%}
    {%- for part in salesops.profile_parts() %}{% do found.append([part]) %}{% endfor -%}
    {%- for pair in [
        ['industry', 'country'], ['industry', 'source'], ['industry', 'product'], ['employees_band', 'country'], ['employees_band', 'source'],
        ['employees_band', 'product'], ['country', 'source'], ['country', 'product'], ['source', 'product']
    ] %}{% do found.append(pair) %}{% endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# Facts x dimensions: dimension (two parts joined by ' x '), member, is_known (no part is unknown) and the `columns`. #}
{% macro profile_cells(facts, columns) -%}
    {%- set rows, members, unknowns = [], [], [] -%}
    {%- for parts in salesops.profile_dimensions() -%}
        {%- set name = parts | join(' x ') -%}
        {%- do rows.append([name]) -%}
        {%- if name != 'company' -%}
            {%- do members.append("when '" ~ name ~ "' then coalesce(" ~ parts | join(", 'unknown') || ' x ' || coalesce(") ~ ", 'unknown')") -%}
            {%- set needed = ['industry', 'employees_band'] if name == 'segment' else parts -%}
            {%- do unknowns.append("when '" ~ name ~ "' then " ~ needed | join(' is not null and ') ~ ' is not null') -%}
        {%- endif -%}
    {%- endfor -%}
    (
        select
            dimensions.dimension,
            case dimensions.dimension {{ members | join(' ') }} else 'all' end as member,
            case dimensions.dimension {{ unknowns | join(' ') }} else true end as is_known,
            {{ columns | join(', ') }}
        from {{ facts }}
        cross join {{ salesops.text_rows(rows, ['dimension']) }} as dimensions
    )
{%- endmacro %}
