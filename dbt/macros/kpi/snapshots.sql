{# Snapshot days of stocks: the as-of day, each of the 400 days before it, and older month-ends since the calendar's first day. #}
{% macro snapshot_first_daily() -%}cast({{ salesops.as_of_date() }} - interval 400 day as date){%- endmacro %}

{% macro snapshot_days() -%}
    (
        select date as snapshot_date
        from {{ salesops.date_spine("'" ~ var('calendar_start') ~ "'", salesops.as_of_date()) }} as spine
        where date >= {{ salesops.snapshot_first_daily() }} or date = last_day(date)
    )
{%- endmacro %}

{# The first snapshot day on or after a day; null stays null, days after the as-of day stay themselves. #}
{% macro snapshot_on_or_after(day) -%}
    case
        when {{ day }} is null then null
        when {{ day }} >= {{ salesops.snapshot_first_daily() }} then {{ day }}
        else least(
            last_day(greatest({{ day }}, cast('{{ var("calendar_start") }}' as date))),
            {{ salesops.snapshot_first_daily() }}
        )
    end
{%- endmacro %}
