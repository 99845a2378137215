-- grain: one row per company and event: what a sheet says, and what a register's entry became; it is a signal in [valid_from, valid_to) (M32)
-- valid_to is what the line says, else 180 days after valid_from; bankruptcy, winding up, proceedings and ceasing do not lapse. A register's entry that
-- was so when it was first read is observed then: it began when the register says.
{%- set endless = "('bankruptcy', 'winding_up', 'in_proceedings', 'ceased')" %}
with entries as (
    select
        entries.*, 'registries:company:' || country_code || legal_id as record_key,
        lag(status) over (partition by country_code, legal_id order by version_at nulls last, landed_at nulls last) as status_before,
        lag(address) over (partition by country_code, legal_id order by version_at nulls last, landed_at nulls last) as address_before
    from {{ ref('stg_registries__entries') }} as entries
),

events as (
    select
        record_key, country_code || legal_id || ' ' || status || ' ' || cast({{ epoch_micros('version_at') }} as string) as event_id,
        case status when 'bankrupt' then 'bankruptcy' else status end as signal, cast(null as string) as detail, country_code,
        coalesce(least({{ local_midnight('status_date') }}, version_at), version_at) as began_at, version_at as observed_at, known_from
    from entries
    where status <> 'active' and status <> coalesce(status_before, 'active')
    union all
    select
        record_key, country_code || legal_id || ' address ' || cast({{ epoch_micros('version_at') }} as string), 'address_change', address_before || ' > ' || address,
        country_code, version_at as began_at, version_at as observed_at, known_from
    from entries
    where address <> address_before
),

signals as (
    select
        record_key, event_id, signal, detail, case country_code when 'NO' then 'register of Norway' else 'register of Finland' end as supplier, began_at,
        cast(null as {{ instant_type() }}) as expires_at, observed_at, cast(1 as double) as confidence, known_from
    from events
    union all
    select
        {{ sheet_company_key() }}, record_id, signal, detail, supplier, valid_from, {{ local_midnight('expires_date') }}, first_observed_at, confidence, known_from
    from {{ ref('stg_spreadsheets__company_signals') }}
    where signal is not null and not is_deleted
)

select
    cast(companies.company_key || '>' || signals.event_id as string) as signal_key,
    cast(companies.company_key as string) as company_key,
    cast(signals.signal as string) as signal,
    cast(signals.detail as string) as detail,
    cast(signals.supplier as string) as source,
    signals.began_at as valid_from,
    coalesce(signals.expires_at, case when signals.signal not in {{ endless }} then signals.began_at + interval 180 day end) as valid_to,
    signals.observed_at,
    cast(signals.confidence as double) as confidence,
    cast(companies.matched_by as string) as matched_by,
    cast(signals.record_key as string) as record_key,
    signals.known_from
from signals
inner join {{ ref('int_pipeline__enriched_companies') }} as companies on signals.record_key = companies.record_key
where signals.began_at <= {{ as_of() }} and signals.observed_at <= {{ as_of() }}
    and (signals.expires_at is null or signals.expires_at > signals.began_at)
