{# Instants, dates and differences: what DuckDB and Spark spell differently. Instants are UTC. #}

{% macro instant_type() -%}{{ return(adapter.dispatch('instant_type', 'salesops')()) }}{%- endmacro %}
{% macro default__instant_type() %}{{ return('timestamp with time zone') }}{% endmacro %}
{% macro spark__instant_type() %}{{ return('timestamp') }}{% endmacro %}

{% macro timestamp_literal(text) -%}cast('{{ text }}' as {{ salesops.instant_type() }}){%- endmacro %}

{% macro to_timestamp_utc(text) -%}try_cast({{ text }} as {{ salesops.instant_type() }}){%- endmacro %}

{# Text of a vendor: ISO 8601, or milliseconds since 1970; anything else is null. #}
{% macro vendor_instant(text) -%}
    case
        when {{ salesops.matches(text, "^-?[0-9]{11,14}$") }} then {{ salesops.epoch_millis_instant(text) }}
        when {{ salesops.matches(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}") }} then {{ salesops.to_timestamp_utc(text) }}
    end
{%- endmacro %}

{% macro epoch_millis_instant(text) -%}
    {{ return(adapter.dispatch('epoch_millis_instant', 'salesops')(text)) }}
{%- endmacro %}
{% macro default__epoch_millis_instant(text) -%}make_timestamptz(try_cast({{ text }} as bigint) * 1000){%- endmacro %}
{% macro spark__epoch_millis_instant(text) -%}timestamp_millis(try_cast({{ text }} as bigint)){%- endmacro %}

{# A vendor's date: plain dates stay; an instant becomes the date in the portal's zone, here and nowhere else. #}
{% macro vendor_date(text, zone) -%}
    case
        when {{ salesops.matches(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$") }} then try_cast({{ text }} as date)
        else {{ salesops.local_date(salesops.vendor_instant(text), zone) }}
    end
{%- endmacro %}

{# The local date of an instant; `zone` is a SQL expression, the company's zone by default. #}
{% macro local_date(instant, zone=none) -%}
    {{ return(adapter.dispatch('local_date', 'salesops')(instant, zone or "'" ~ var('company_timezone') ~ "'")) }}
{%- endmacro %}
{% macro default__local_date(instant, zone) -%}cast(({{ instant }}) at time zone {{ zone }} as date){%- endmacro %}
{% macro spark__local_date(instant, zone) -%}cast(from_utc_timestamp({{ instant }}, {{ zone }}) as date){%- endmacro %}

{# The instant at which the clock on the wall shows `clock` (HH:MM) on a local date. #}
{% macro local_instant(date, clock, zone=none) -%}
    {{ return(adapter.dispatch('local_instant', 'salesops')(date, clock, zone or "'" ~ var('company_timezone') ~ "'")) }}
{%- endmacro %}
{% macro default__local_instant(date, clock, zone) -%}
    (cast(cast({{ date }} as string) || ' {{ clock }}:00' as timestamp) at time zone {{ zone }})
{%- endmacro %}
{% macro spark__local_instant(date, clock, zone) -%}
    to_utc_timestamp(cast(cast({{ date }} as string) || ' {{ clock }}:00' as timestamp), {{ zone }})
{%- endmacro %}

{% macro local_midnight(date) -%}{{ salesops.local_instant(date, '00:00') }}{%- endmacro %}

{% macro epoch_micros(instant) -%}{{ return(adapter.dispatch('epoch_micros', 'salesops')(instant)) }}{%- endmacro %}
{% macro default__epoch_micros(instant) -%}epoch_us({{ instant }}){%- endmacro %}
{% macro spark__epoch_micros(instant) -%}unix_micros({{ instant }}){%- endmacro %}

{# Elapsed time between two instants, never a difference of naive local times. #}
{% macro elapsed_seconds(from_instant, to_instant) -%}
    (({{ salesops.epoch_micros(to_instant) }} - {{ salesops.epoch_micros(from_instant) }}) / cast(1000000 as double))
{%- endmacro %}
{% macro elapsed_minutes(from_instant, to_instant) -%}
    (({{ salesops.epoch_micros(to_instant) }} - {{ salesops.epoch_micros(from_instant) }}) / cast(60000000 as double))
{%- endmacro %}
{% macro elapsed_days(from_instant, to_instant) -%}
    (({{ salesops.epoch_micros(to_instant) }} - {{ salesops.epoch_micros(from_instant) }}) / cast(86400000000 as double))
{%- endmacro %}

{# Whole days between two dates. #}
{% macro days_between(from_date, to_date) -%}
    {{ return(adapter.dispatch('days_between', 'salesops')(from_date, to_date)) }}
{%- endmacro %}
{% macro default__days_between(a, b) -%}date_diff('day', {{ a }}, {{ b }}){%- endmacro %}
{% macro spark__days_between(a, b) -%}date_diff(DAY, {{ a }}, {{ b }}){%- endmacro %}

{# The same day so many whole months later, that month's last where it has no such day. #}
{% macro add_months(date, months) -%}{{ return(adapter.dispatch('add_months', 'salesops')(date, months)) }}{%- endmacro %}
{% macro default__add_months(date, months) -%}cast({{ date }} + to_months(cast(floor({{ months }}) as integer)) as date){%- endmacro %}
{% macro spark__add_months(date, months) -%}add_months({{ date }}, cast(floor({{ months }}) as int)){%- endmacro %}

{# A relation of one `date` column, both ends in. Text literals or SQL expressions of type date. #}
{% macro date_spine(first, last) -%}{{ return(adapter.dispatch('date_spine', 'salesops')(first, last)) }}{%- endmacro %}
{% macro default__date_spine(first, last) -%}
    (select cast(unnest(generate_series(cast({{ first }} as date), cast({{ last }} as date), interval 1 day)) as date) as date)
{%- endmacro %}
{% macro spark__date_spine(first, last) -%}
    (select explode(sequence(cast({{ first }} as date), cast({{ last }} as date), interval 1 day)) as date)
{%- endmacro %}

{% macro week_start(date) -%}cast(date_trunc('week', {{ date }}) as date){%- endmacro %}
{% macro month_start(date) -%}cast(date_trunc('month', {{ date }}) as date){%- endmacro %}

{# Months by which the fiscal year starts after January. #}
{% macro fiscal_shift() -%}{{ return((var('fiscal_year_start_month') | int) - 1) }}{%- endmacro %}

{# First day of the fiscal quarter of a date. #}
{% macro fiscal_quarter_start(date) -%}
    {% set shift = salesops.fiscal_shift() % 3 -%}
    {% if shift %}cast(cast(date_trunc('quarter', cast({{ date }} as date) - interval {{ shift }} month) as date) + interval {{ shift }} month as date)
    {%- else %}cast(date_trunc('quarter', {{ date }}) as date){% endif %}
{%- endmacro %}

{% macro iso_year(date) -%}{{ return(adapter.dispatch('iso_year', 'salesops')(date)) }}{%- endmacro %}
{% macro default__iso_year(date) -%}extract(isoyear from {{ date }}){%- endmacro %}
{% macro spark__iso_year(date) -%}extract(yearofweek from {{ date }}){%- endmacro %}

{# Monday = 1. #}
{% macro iso_weekday(date) -%}{{ return(adapter.dispatch('iso_weekday', 'salesops')(date)) }}{%- endmacro %}
{% macro default__iso_weekday(date) -%}extract(isodow from {{ date }}){%- endmacro %}
{% macro spark__iso_weekday(date) -%}extract(dayofweek_iso from {{ date }}){%- endmacro %}
