{# S2, who is at risk when: `steps` has one row per keys and time with the subjects that end or are last seen then (`ends`; `events` of them end) and
   those whose history starts late, by the time at which it starts (`late`; left truncation). Such a subject is at risk from that time on, the time
   itself included: those that ended before are not in the data, so its own time before says nothing. A time at which subjects only come is no row.
   has_risk_set is false where the curve is not known: when nobody is at risk at time 0, and from the time on at which nobody is left while others
   are still to come. What is found there holds for those who have come so far only. #}
{% macro risk_sets(steps, keys, time, events, ends, late=none) -%}
    {%- set newest_first = 'partition by ' ~ keys | join(', ') ~ ' order by ' ~ time ~ ' desc nulls last rows between unbounded preceding and ' -%}
    {%- set at_risk = 'sum(' ~ ends ~ ') over (' ~ newest_first ~ 'current row)' -%}
    {%- if late is none -%}
    (select *, {{ at_risk }} as at_risk_count, true as has_risk_set from {{ steps }})
    {%- else -%}
    (
        select
            *, followed_count > 0 and (later_count = 0 or at_risk_count > {{ events }}) and coalesce(min(at_risk_count - ({{ ends }})) over (
                partition by {{ keys | join(', ') }} order by {{ time }} nulls last rows between unbounded preceding and 1 preceding
            ), 1) > 0 as has_risk_set
        from (
            select
                *, {{ at_risk }} - coalesce(sum({{ late }}) over ({{ newest_first }}1 preceding), 0) as at_risk_count,
                coalesce(sum({{ late }}) over ({{ newest_first }}1 preceding), 0) as later_count,
                sum(case when {{ time }} is not null then {{ ends }} - {{ late }} else 0 end) over (partition by {{ keys | join(', ') }}) as followed_count
            from {{ steps }}
        ) as entered
        where {{ ends }} > 0
    )
    {%- endif %}
{%- endmacro %}

{# S2, one place for all curves: the Kaplan-Meier survival after the events of `time`, over rows of risk_sets.
   A product of factors as a sum of logarithms; a factor of 0 ends the curve and is its last one. Rounded, so that S = 0.5 is 0.5. #}
{% macro km_survival(events, keys, time) -%}
    case
        when not has_risk_set then cast(null as double)
        when at_risk_count = {{ events }} then cast(0 as double)
        else round(exp(sum(
            ln(cast(nullif(at_risk_count - ({{ events }}), 0) as double)) - ln(cast(at_risk_count as double))
        ) over (
            partition by {{ keys | join(', ') }} order by {{ time }} nulls last rows between unbounded preceding and current row
        )) * 1e12) / 1e12
    end
{%- endmacro %}

{# What Greenwood's interval takes: the running sum of d / (n (n - d)), over the same rows as the survival; n is who is at risk at that time. #}
{% macro greenwood_variance(events, keys, time) -%}
    sum(({{ events }}) / nullif(cast(at_risk_count as double) * (at_risk_count - ({{ events }})), 0)) over (
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

{# Win and loss competing (Aalen-Johansen): `days` has one row per keys and day with won_count, lost_count, open_count and late_count (deals that come
   under observation: risk_sets); open deals are censored after the closes of the same day. Adds at_risk_count, survival (any close), survival_before,
   cif_win and cif_loss; survival + cif_win + cif_loss = 1. Day NULL has no curve, and days without a risk set have none. #}
{% macro competing_risks(days, keys) -%}
    {%- set by_keys = 'partition by ' ~ keys | join(', ') -%}
    (
        select
            *,
            {%- for cause in ['won', 'lost'] %}
            case when survival is not null then round(sum(survival_before * {{ cause }}_count / nullif(at_risk_count, 0)) over (
                {{ by_keys }} order by day nulls last rows between unbounded preceding and current row
            ) * 1e12) / 1e12 end as cif_{{ {'won': 'win', 'lost': 'loss'}[cause] }}{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            select *, lag(survival, 1, cast(1 as double)) over ({{ by_keys }} order by day nulls last) as survival_before
            from (
                select *, case when day is not null then {{ salesops.km_survival('won_count + lost_count', keys, 'day') }} end as survival
                from {{ salesops.risk_sets(days, keys, 'day', 'won_count + lost_count', 'won_count + lost_count + open_count', 'late_count') }} as at_risk
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
            where survival is not null
        ) as followed
        group by {{ keys | join(', ') }}
    )
{%- endmacro %}
