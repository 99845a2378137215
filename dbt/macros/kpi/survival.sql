{# S2, one place for all curves: the Kaplan-Meier survival after the events of `time`, over rows of one per keys and time.
   A product of factors as a sum of logarithms; a factor of 0 ends the curve and is its last one. Rounded, so that S = 0.5 is 0.5. #}
{% macro km_survival(events, at_risk, keys, time) -%}
    case
        when {{ at_risk }} = {{ events }} then cast(0 as double)
        else round(exp(sum(
            ln(cast(nullif({{ at_risk }} - ({{ events }}), 0) as double)) - ln(cast({{ at_risk }} as double))
        ) over (
            partition by {{ keys | join(', ') }} order by {{ time }} nulls last rows between unbounded preceding and current row
        )), 12)
    end
{%- endmacro %}

{# What Greenwood's interval takes: the running sum of d / (n (n - d)), over the same rows as the survival. #}
{% macro greenwood_variance(events, at_risk, keys, time) -%}
    sum(({{ events }}) / nullif(cast({{ at_risk }} as double) * ({{ at_risk }} - ({{ events }})), 0)) over (
        partition by {{ keys | join(', ') }} order by {{ time }} nulls last rows between unbounded preceding and current row
    )
{%- endmacro %}

{# One end of the 95 % interval of a survival, Greenwood on the log(-log) scale; `variance` as greenwood_variance gives it.
   `sign` 1 is the lower end. Null where the curve is still 1 or has ended. #}
{% macro greenwood(survival, variance, sign) -%}
    case when {{ survival }} > 0 and {{ survival }} < 1 then round(power(
        {{ survival }}, exp(({{ sign }}) * cast(1.959964 as double) * sqrt({{ variance }}) / abs(ln({{ survival }})))
    ), 12) end
{%- endmacro %}
