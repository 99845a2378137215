{# S8 and what its p-values come from. #}

{# Two-sided p of a standard normal deviate: erfc(|z| / sqrt 2) by Abramowitz and Stegun 7.1.26, error below 2e-7. Neither engine has erf. #}
{% macro two_sided_p(z) -%}
    {%- set x = '(abs(' ~ z ~ ') / sqrt(cast(2 as double)))' -%}
    {%- set t = '(1 / (1 + 0.3275911 * ' ~ x ~ '))' -%}
    least(1, {{ t }} * (0.254829592 + {{ t }} * (-0.284496736 + {{ t }} * (1.421413741 + {{ t }} * (-1.453152027 + {{ t }} * 1.061405429))))
        * exp(-1 * {{ x }} * {{ x }}))
{%- endmacro %}

{# Benjamini-Hochberg: the rows of a relation that have a `p`, with looked_at_count (how many there are) and adjusted_p. #}
{% macro benjamini_hochberg(relation, p) -%}
    (
        select
            *, round((min({{ p }} * looked_at_count / nullif(cast(place as double), 0)) over (
                order by place desc nulls last rows between unbounded preceding and current row
            )) * 1e9) / 1e9 as adjusted_p
        from (
            select *, row_number() over (order by {{ p }} nulls last) as place, count(*) over () as looked_at_count
            from {{ relation }}
            where {{ p }} is not null
        ) as placed
    )
{%- endmacro %}
