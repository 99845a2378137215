{# S2, one place for all curves: the Kaplan-Meier survival after the events of `time`, over rows of one per keys and time.
   A product of factors as a sum of logarithms; a factor of 0 ends the curve and is its last one. Rounded, so that S = 0.5 is 0.5. #}
{% macro km_survival(events, at_risk, keys, time) -%}
    case
        when {{ at_risk }} = {{ events }} then cast(0 as double)
        else round(exp(sum(
            ln(cast(nullif({{ at_risk }} - ({{ events }}), 0) as double)) - ln(cast({{ at_risk }} as double))
        ) over (
            partition by {{ keys | join(', ') }} order by {{ time }} nulls last rows between unbounded preceding and current row
        )) * 1e12) / 1e12
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
    ) * 1e12) / 1e12 end
{%- endmacro %}

{# Win and loss competing (Aalen-Johansen): `days` has one row per keys and day with won_count, lost_count and open_count; open deals are censored after
   the closes of the same day. Adds at_risk_count, survival (any close), survival_before, cif_win and cif_loss; survival + cif_win + cif_loss = 1.
   Day NULL has no curve. #}
{% macro competing_risks(days, keys) -%}
    {%- set by_keys = 'partition by ' ~ keys | join(', ') -%}
    (
        select
            *,
            {%- for cause in ['won', 'lost'] %}
            case when day is not null then round(sum(survival_before * {{ cause }}_count / nullif(at_risk_count, 0)) over (
                {{ by_keys }} order by day nulls last rows between unbounded preceding and current row
            ) * 1e12) / 1e12 end as cif_{{ {'won': 'win', 'lost': 'loss'}[cause] }}{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            select *, lag(survival, 1, cast(1 as double)) over ({{ by_keys }} order by day nulls last) as survival_before
            from (
                select *, case when day is not null then {{ salesops.km_survival('won_count + lost_count', 'at_risk_count', keys, 'day') }} end as survival
                from (
                    select
                        *, sum(won_count + lost_count + open_count) over (
                            {{ by_keys }} order by day desc nulls last rows between unbounded preceding and current row
                        ) as at_risk_count
                    from {{ days }}
                ) as at_risk
            ) as survived
        ) as stepped
    )
{%- endmacro %}

{# The chance to be won by day `horizon` (cif), by `keys`, and its variance (delta method, as Marubini and Valsecchi), of rows of competing_risks; NULL
   where nobody was followed that long while somebody was still open. #}
{% macro cif_win_by(curves, keys, horizon) -%}
    (
        select
            {{ keys | join(', ') }}, max(case when is_followed then cif_at_horizon end) as cif,
            sum(case when is_followed and day <= {{ horizon }} then
                coalesce(power(cif_at_horizon - cif_win, 2) * (won_count + lost_count)
                    / nullif(cast(at_risk_count as double) * (at_risk_count - won_count - lost_count), 0), 0)
                + power(survival_before, 2) * (at_risk_count - won_count) * won_count / nullif(power(cast(at_risk_count as double), 3), 0)
                - 2 * (cif_at_horizon - cif_win) * survival_before * won_count / nullif(power(cast(at_risk_count as double), 2), 0)
            end) as variance
        from (
            select
                *, max(day) over (partition by {{ keys | join(', ') }}) >= {{ horizon }}
                or min(survival) over (partition by {{ keys | join(', ') }}) = 0 as is_followed,
                coalesce(max(case when day <= {{ horizon }} then cif_win end) over (partition by {{ keys | join(', ') }}), 0) as cif_at_horizon
            from {{ curves }}
            where day is not null
        ) as followed
        group by {{ keys | join(', ') }}
    )
{%- endmacro %}
