{# How a model is kept that only other models read: part of their SQL, or a table where the optimizer drowns in what that grows into. #}
{% macro intermediate() -%}{{ return(adapter.dispatch('intermediate', 'salesops')()) }}{%- endmacro %}
{% macro default__intermediate() %}{{ return('ephemeral') }}{% endmacro %}
{% macro spark__intermediate() %}{{ return('table') }}{% endmacro %}
