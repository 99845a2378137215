{# Fixtures of unit tests that are written as SQL name types and weekdays as DuckDB does: macros are not known to a YAML file. #}
{% macro fixture_for_spark(sql) -%}
    {%- set spelled = [
        ('timestamp with time zone', 'timestamp'), ('timestamptz', 'timestamp'), (' as varchar)', ' as string)'), (' as json)', ' as string)'),
        ('extract(isodow from', 'extract(dayofweek_iso from')
    ] -%}
    {%- set text = namespace(sql=sql) -%}
    {%- for duckdb, spark in spelled %}{% set text.sql = text.sql | replace(duckdb, spark) %}{% endfor -%}
    {{ return(text.sql) }}
{%- endmacro %}

{% macro spark__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {{ dbt.default__get_unit_test_sql(salesops.fixture_for_spark(main_sql), salesops.fixture_for_spark(expected_fixture_sql), expected_column_names) }}
{%- endmacro %}

{# The columns of a unit test's model are looked up through this one. #}
{% macro spark__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
    {{ dbt.default__get_empty_subquery_sql(salesops.fixture_for_spark(select_sql), select_sql_header) }}
{%- endmacro %}
