{# The five leading columns of every KPI table that can be cut, made in one place.

   `facts` is a relation with one row per fact and the columns owner_key, owner (label), team, segment, industry, country,
   source, product, order_type, deal_size_band and pipeline, each as of the date that the table's card names. A missing part becomes the member `unknown`, so
   that the parts of a dimension sum to the company. #}

{% macro cut_grains() %}{{ return(['week', 'month', 'quarter', 'all']) }}{% endmacro %}

{# Each is also the fact column that holds its members; `owner` alone has a key beside its label. `more`: what one table is cut by besides. #}
{% macro cut_dimensions(more=[]) %}
    {{ return(['company', 'team', 'owner', 'segment', 'industry', 'country', 'source', 'product', 'order_type', 'deal_size_band', 'pipeline'] + more) }}
{% endmacro %}

{# The member of a row for the dimension in `dimension`: `what` is its key or its label. With a `suffix` (_0, _1) the member columns bear it. #}
{% macro cut_member(what, dimension, suffix='', more=[]) -%}
    {%- set cases = [] -%}
    {%- for name in salesops.cut_dimensions(more) -%}
        {%- set column = ('owner_key' if name == 'owner' and what == 'key' else name) ~ suffix -%}
        {%- do cases.append("when '" ~ name ~ "' then " ~ ("'all'" if name == 'company' else "coalesce(" ~ column ~ ", 'unknown')")) -%}
    {%- endfor -%}
    case {{ dimension }} {{ cases | join(' ') }} end
{%- endmacro %}

{# One row per dimension, to cross join with. #}
{% macro cut_dimension_rows(more=[]) -%}{{ salesops.text_rows(salesops.as_rows(salesops.cut_dimensions(more)), ['dimension']) }}{%- endmacro %}

{# Facts x dimensions. `columns`: what to carry along, a list of columns and expressions. #}
{% macro cut_members(facts, columns, more=[]) -%}
    (
        select
            dimensions.dimension,
            {{ salesops.cut_member('key', 'dimensions.dimension', more=more) }} as member_key,
            {{ salesops.cut_member('label', 'dimensions.dimension', more=more) }} as member,
            {{ columns | join(', ') }}
        from {{ facts }}
        cross join {{ salesops.cut_dimension_rows(more) }} as dimensions
    )
{%- endmacro %}

{# Facts x period grains x dimensions. A fact without a `date` is in grain `all` only. #}
{% macro cut(facts, date, columns, more=[]) -%}
    {%- set grains = [] -%}
    {%- for name in salesops.cut_grains() %}{% do grains.append([name]) %}{% endfor -%}
    (
        select
            grains.period_grain,
            case grains.period_grain
                when 'week' then {{ salesops.week_start(date) }}
                when 'month' then {{ salesops.month_start(date) }}
                when 'quarter' then {{ salesops.fiscal_quarter_start(date) }}
            end as period_start,
            facts.*
        from {{ salesops.cut_members(facts, [date] + columns, more) }} as facts
        cross join {{ salesops.text_rows(grains, ['period_grain']) }} as grains
        where {{ date }} is not null or grains.period_grain = 'all'
    )
{%- endmacro %}

{# First day after a period of a grain; null for all. #}
{% macro period_end(grain, start) -%}
    case {{ grain }}
        when 'week' then cast({{ start }} + interval 7 day as date)
        when 'month' then cast({{ start }} + interval 1 month as date)
        when 'quarter' then cast({{ start }} + interval 3 month as date)
    end
{%- endmacro %}

{# The five leading columns of a final select. #}
{% macro cut_columns() -%}
    cast(period_grain as string) as period_grain,
    cast(period_start as date) as period_start,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(member as string) as member
{%- endmacro %}

{# Wilson interval of count / total at 95 % (S4), held in 0..1; null without a denominator. `side` is -1 or 1.
   Rounded far below any use, so that both engines write the same digits. #}
{% macro wilson(count, total, side) -%}
    {%- set n = 'cast(nullif(' ~ total ~ ', 0) as double)' -%}
    {%- set p = '(' ~ count ~ ' / ' ~ n ~ ')' -%}
    {%- set z = 'cast(1.959964 as double)' -%}
    {%- set half = z ~ ' * sqrt(' ~ p ~ ' * (1 - ' ~ p ~ ') / ' ~ n ~ ' + ' ~ z ~ ' * ' ~ z ~ ' / (4 * ' ~ n ~ ' * ' ~ n ~ '))' -%}
    {%- set bound = 'round(((' ~ p ~ ' + ' ~ z ~ ' * ' ~ z ~ ' / (2 * ' ~ n ~ ') + (' ~ side ~ ') * ' ~ half ~ ') / (1 + ' ~ z ~ ' * ' ~ z ~ ' / ' ~ n ~ ')) * 1e12) / 1e12' -%}
    case when {{ total }} > 0 then abs(least(greatest({{ bound }}, 0), 1)) end
{%- endmacro %}

{# Median as the mean of the two middle values; null where nothing is known. #}
{% macro median_of(value, condition) -%}
    percentile_cont(0.5) within group (order by cast({{ value }} as double)) filter (where {{ condition }} and {{ value }} is not null)
{%- endmacro %}
