{#
  The reference rates as of (E, K), one row per rate day, currency as listed and landed version; the text as the bank gave it.
  A rate is there from 16:00 in Frankfurt on its day, however early the file came. E does not choose the version: a correction carries
  no instant of the bank's own, so the newest version known at K is the rate, whenever it came.
#}
{% macro listed_reference_rates(relation) -%}
    select
        listed.rate_date, listed.published_at, listed.landed_at, listed.is_newest,
        {{ salesops.json_struct('listed.item', {'currency': 'VARCHAR', 'rate': 'VARCHAR'}) }} as p
    from {{ salesops.json_rows(relation, 'rate_date, published_at, landed_at, is_newest', 'payload', 'rates') }} as listed
{%- endmacro %}

{# The instant from which the rates of a day are known. #}
{% macro rates_published_at(day) -%}{{ salesops.local_instant(day, '16:00', "'Europe/Berlin'") }}{%- endmacro %}

{% macro published_reference_rates(relation) -%}
    select rate_date, published_at, payload, landed_at, is_newest
    from (
        select
            try_cast(record_id as date) as rate_date, {{ salesops.rates_published_at('record_id') }} as published_at,
            payload, landed_at, is_deleted,
            row_number() over (partition by record_id order by version_at desc, landed_at desc, batch_id desc, payload_hash desc) = 1 as is_newest
        from {{ relation }} where {{ salesops.known('landed_at') }}
    ) as landed
    where not is_deleted and published_at <= {{ salesops.as_of() }}
{%- endmacro %}

{# A rate that can be used: a positive number of at most ten digits before the point. #}
{% macro usable_rate(text) -%}
    case when {{ salesops.matches(text, '^[0-9]{1,10}([.][0-9]+)?$') }} then nullif(try_cast({{ text }} as decimal(18, 8)), 0) end
{%- endmacro %}
