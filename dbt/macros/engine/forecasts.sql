{# The results of the forecast: Python inside DuckDB. Spark is given the same table. #}
{% macro forecast_results() -%}{{ return(adapter.dispatch('forecast_results', 'salesops')()) }}{%- endmacro %}
{% macro default__forecast_results() %}{{ return(ref('int_kpi__forecasts')) }}{% endmacro %}
{% macro spark__forecast_results() %}{{ return(api.Relation.create(schema='forecasts', identifier='int_kpi__forecasts')) }}{% endmacro %}
