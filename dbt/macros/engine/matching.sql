{# The results of the matching engine: Python inside DuckDB. Spark is given the same table. #}
{% macro matching_results() -%}{{ return(adapter.dispatch('matching_results', 'salesops')()) }}{%- endmacro %}
{% macro default__matching_results() %}{{ return(ref('int_matching__matches')) }}{% endmacro %}
{% macro spark__matching_results() %}{{ return(api.Relation.create(schema='matching', identifier='int_matching__matches')) }}{% endmacro %}

{# Which companies the engine finds registers and enrichment sheets to speak of. #}
{% macro enriched_matches() -%}{{ return(adapter.dispatch('enriched_matches', 'salesops')()) }}{%- endmacro %}
{% macro default__enriched_matches() %}{{ return(ref('int_matching__enriched_matches')) }}{% endmacro %}
{% macro spark__enriched_matches() %}{{ return(api.Relation.create(schema='matching', identifier='int_matching__enriched_matches')) }}{% endmacro %}

{# What the early-trend engine found, the same way. #}
{% macro signal_results() %}{{ return(adapter.dispatch('signal_results', 'salesops')()) }}{% endmacro %}
{% macro default__signal_results() %}{{ return(ref('int_signals__verdicts')) }}{% endmacro %}
{% macro spark__signal_results() %}{{ return(api.Relation.create(schema='signals', identifier='int_signals__verdicts')) }}{% endmacro %}
