{# S5, shrinkage of rates. #}

{# Strength m of the prior for groups of successes and trials, by `keys`: ANOVA estimator of the intraclass correlation rho,
   m = min(200, 1 / rho - 1); no evidence of a difference (rho <= 0, or fewer than two groups) is 200. At least 1: one seller with wins only
   beside one with losses only makes rho 1 and m 0, and would show 100 % without an interval. #}
{% macro prior_strength(groups, keys, successes, trials) -%}
    (
        select
            {{ keys | join(', ') }}, rate, rho,
            case when rho > 0 then greatest(cast(1 as double), least(cast(200 as double), 1 / rho - 1)) else cast(200 as double) end as strength
        from (
            select *, (between_groups - within_groups) / nullif(between_groups + (typical_size - 1) * within_groups, 0) as rho
            from (
                select
                    {{ keys | join(', ') }}, max(rate_of_all) as rate,
                    sum({{ trials }} * power({{ successes }} / cast({{ trials }} as double) - rate_of_all, 2)) / nullif(count(*) - 1, 0) as between_groups,
                    sum({{ successes }} * (1 - {{ successes }} / cast({{ trials }} as double))) / nullif(sum({{ trials }}) - count(*), 0) as within_groups,
                    (sum({{ trials }}) - sum(cast({{ trials }} as double) * {{ trials }}) / sum({{ trials }})) / nullif(count(*) - 1, 0) as typical_size
                from (
                    select *, sum({{ successes }}) over (partition by {{ keys | join(', ') }})
                        / nullif(cast(sum({{ trials }}) over (partition by {{ keys | join(', ') }}) as double), 0) as rate_of_all
                    from {{ groups }}
                ) as rated
                where {{ trials }} > 0
                group by {{ keys | join(', ') }}
            ) as squares
        ) as correlated
    )
{%- endmacro %}

{# The posterior mean: successes and trials drawn towards a prior mean that is worth `strength` trials. #}
{% macro shrunk_rate(successes, trials, prior, strength) -%}
    ({{ successes }} + {{ prior }} * {{ strength }}) / nullif({{ trials }} + {{ strength }}, 0)
{%- endmacro %}

{# Beta(a, b) by `keys`: its 2.5 % and 97.5 % quantiles (low, high) and P(rate > threshold) (above). The density is summed over 2,000 points of
   t in (0, 1) with rate = sin(pi t / 2) squared, which keeps both ends finite from a, b >= 0.5 on; quantiles are interpolated.
   Error below 2e-5 for a, b >= 1. abs: a mass a last bit above 1 would leave -0.0, another text than 0.0. #}
{% macro beta_summary(relation, keys, a, b, threshold) -%}
    {%- set points = 2000 -%}
    {%- set by_keys = 'partition by ' ~ keys | join(', ') -%}
    (
        select
            {{ keys | join(', ') }},
            {%- for name, share in {'low': 0.025, 'high': 0.975}.items() %}
            round(power(sin(asin(cast(1 as double)) * max(case
                when mass_before < {{ share }} and mass >= {{ share }} then (point - 1 + ({{ share }} - mass_before) / nullif(mass - mass_before, 0)) / {{ points }}
            end)), 2) * 1e6) / 1e6 as {{ name }},
            {%- endfor %}
            abs(round((1 - max(case
                when threshold_point > point - 1 and threshold_point <= point then mass_before + (mass - mass_before) * (threshold_point - point + 1)
            end)) * 1e6) / 1e6) as above
        from (
            select
                *, sum(density) over ({{ by_keys }} order by point nulls last rows between unbounded preceding and current row) / nullif(total, 0) as mass,
                (sum(density) over ({{ by_keys }} order by point nulls last rows between unbounded preceding and current row) - density) / nullif(total, 0) as mass_before
            from (
                select *, exp(height - max(height) over ({{ by_keys }})) as density, sum(exp(height - peak)) over ({{ by_keys }}) as total
                from (
                    select *, max(height) over ({{ by_keys }}) as peak
                    from (
                        select
                            {{ keys | join(', ') }}, points.point,
                            asin(sqrt(cast({{ threshold }} as double))) / asin(cast(1 as double)) * {{ points }} as threshold_point,
                            (2 * {{ a }} - 1) * ln(sin(asin(cast(1 as double)) * (points.point - 0.5) / {{ points }}))
                            + (2 * {{ b }} - 1) * ln(cos(asin(cast(1 as double)) * (points.point - 0.5) / {{ points }})) as height
                        from {{ relation }}
                        cross join (select x + 1 as point from range(0, {{ points }}) as t(x)) as points
                    ) as heights
                ) as peaked
            ) as weighed
        ) as summed
        group by {{ keys | join(', ') }}
    )
{%- endmacro %}
