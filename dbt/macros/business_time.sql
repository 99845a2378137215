{# Business time, read from the calendar: no loop over days, no subtraction of naive local times.

   Business minutes up to an instant = those of all days before its local day + those of the day itself that have passed.
   The overlap of [start, stop] with the working windows is the difference of two such numbers, whatever lies between:
   nights, weekends, holidays, a change to or from daylight saving time. #}

{# Join condition: the day of pipeline.calendar in whose country an instant falls. `zone` is a SQL expression. #}
{% macro business_day_of(calendar, country, zone, instant) -%}
    {{ calendar }}.country = {{ country }} and {{ calendar }}.date = {{ salesops.local_date(instant, zone) }}
{%- endmacro %}

{# Business minutes of the calendar up to an instant, given the calendar row of its local day. NULL outside the calendar. #}
{% macro business_minutes_until(instant, calendar) -%}
    ({{ calendar }}.business_minutes_before + case
        when {{ calendar }}.opens_at is null or {{ instant }} <= {{ calendar }}.opens_at then cast(0 as double)
        when {{ instant }} >= {{ calendar }}.closes_at then {{ salesops.elapsed_minutes(calendar ~ '.opens_at', calendar ~ '.closes_at') }}
        else {{ salesops.elapsed_minutes(calendar ~ '.opens_at', instant) }}
    end)
{%- endmacro %}

{# Overlap of [start, stop] with the working windows; 0 for a stop at or before the start, NULL where the calendar does not
   hold one of the two days. Rounded far below any use, so that 60 is 60. #}
{% macro business_minutes_between(start, start_calendar, stop, stop_calendar) -%}
    case
        when {{ stop }} > {{ start }} then round((
            {{ salesops.business_minutes_until(stop, stop_calendar) }} - {{ salesops.business_minutes_until(start, start_calendar) }}
        ) * 1e6) / 1e6
        when {{ start_calendar }}.date is not null and {{ stop_calendar }}.date is not null then cast(0 as double)
    end
{%- endmacro %}
