{# The three clocks. No model asks the clock: these macros are the only readers of the variables. #}

{# E: the instant whose state the marts show. #}
{% macro as_of() -%}
    {{ salesops.timestamp_literal(var('as_of') or run_started_at.strftime('%Y-%m-%dT%H:%M:%S+00:00')) }}
{%- endmacro %}

{# K: what was known; NULL = everything. Use known(column) to cut. #}
{% macro known_as_of() -%}
    {% if var('known_as_of') %}{{ salesops.timestamp_literal(var('known_as_of')) }}
    {%- else %}cast(null as {{ salesops.instant_type() }}){% endif %}
{%- endmacro %}

{# Rows that our extract held at K. #}
{% macro known(column) -%}
    {% if var('known_as_of') %}{{ column }} <= {{ salesops.known_as_of() }}{% else %}true{% endif %}
{%- endmacro %}

{# The local day of E in the company's zone. #}
{% macro as_of_date() -%}
    {{ salesops.local_date(as_of()) }}
{%- endmacro %}

{# The real clock at the start of the night: extract ages only. #}
{% macro night_clock() -%}
    {{ salesops.timestamp_literal(var('now') or var('as_of') or run_started_at.strftime('%Y-%m-%dT%H:%M:%S+00:00')) }}
{%- endmacro %}
