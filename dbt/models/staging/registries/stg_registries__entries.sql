-- grain: one row per legal entity of a register and version as of (E, K)
-- An entry is true from the version on that says so: what a register answered later says nothing about a deal made before.
-- Norway withholds fewer than five employees: has_employees without a number is 1 to 4. Finland's register has no employees and no revenue.
with norway as (
    select
        record_id, version_at, landed_at, is_deleted, min(landed_at) over (partition by record_id) as known_from, {{ json_struct('payload', {
            'navn': 'VARCHAR', 'hjemmeside': 'VARCHAR', 'naeringskode1': 'VARCHAR', 'antallAnsatte': 'BIGINT', 'harRegistrertAntallAnsatte': 'BOOLEAN',
            'forretningsadresse': 'VARCHAR', 'stiftelsesdato': 'VARCHAR', 'registreringsdatoEnhetsregisteret': 'VARCHAR', 'konkurs': 'BOOLEAN',
            'konkursdato': 'VARCHAR', 'underAvvikling': 'BOOLEAN', 'underTvangsavviklingEllerTvangsopplosning': 'BOOLEAN', 'slettedato': 'VARCHAR'
        }) }} as p
    from {{ source('registries', 'norway') }} where {{ known('landed_at') }} and version_at <= {{ as_of() }}
),

finland as (
    select
        record_id, version_at, landed_at, is_deleted, payload, min(landed_at) over (partition by record_id) as known_from, {{ json_struct('payload', {
            'mainBusinessLine': 'VARCHAR', 'website': 'VARCHAR', 'registrationDate': 'VARCHAR', 'endDate': 'VARCHAR'
        }) }} as p
    from {{ source('registries', 'finland') }} where {{ known('landed_at') }} and version_at <= {{ as_of() }}
),

finnish_names as (
    select record_id, version_at, landed_at, min({{ json_text('item', 'name') }}) as name
    from {{ json_rows('finland', 'record_id, version_at, landed_at', 'payload', 'names') }} as names
    where {{ json_text('item', 'type') }} = '1' and {{ json_text('item', 'endDate') }} is null
    group by record_id, version_at, landed_at
),

finnish_addresses as (
    select
        record_id, version_at, landed_at, min({{ filled(json_text('item', 'street')) }} || coalesce(' ' || {{ json_text('item', 'buildingNumber') }}, '')) as street,
        min({{ json_text('item', 'postCode') }}) as post_code
    from {{ json_rows('finland', 'record_id, version_at, landed_at', 'payload', 'addresses') }} as addresses
    where {{ json_text('item', 'type') }} = '1'
    group by record_id, version_at, landed_at
),

-- an open situation is a bankruptcy, a liquidation or a restructuring: the register's codes of them are not published
finnish_situations as (
    select record_id, version_at, landed_at, min({{ json_text('item', 'registrationDate') }}) as situation_date
    from {{ json_rows('finland', 'record_id, version_at, landed_at', 'payload', 'companySituations') }} as situations
    where {{ json_text('item', 'endDate') }} is null
    group by record_id, version_at, landed_at
)

select
    'NO' as country_code, record_id as legal_id, {{ filled('p.navn') }} as name, {{ site('p.hjemmeside') }} as domain,
    {{ json_text('p.naeringskode1', 'kode') }} as industry_code, {{ json_text('p.naeringskode1', 'beskrivelse') }} as industry,
    p.antallansatte as employees, coalesce(p.harregistrertantallansatte, p.antallansatte > 0, false) as has_employees,
    {{ json_text('p.forretningsadresse', 'poststed') }} as city,
    nullif(concat_ws(', ', {{ json_text('p.forretningsadresse', 'adresse[0]') }}, {{ json_text('p.forretningsadresse', 'postnummer') }}), '') as address,
    try_cast(coalesce(p.stiftelsesdato, p.registreringsdatoenhetsregisteret) as date) as founded_date,
    case
        when is_deleted or p.slettedato is not null then 'ceased' when p.konkurs then 'bankrupt'
        when p.underavvikling or p.undertvangsavviklingellertvangsopplosning then 'winding_up' else 'active'
    end as status,
    try_cast(coalesce(p.slettedato, case when p.konkurs then p.konkursdato end) as date) as status_date,
    version_at, landed_at, known_from
from norway
union all
select
    'FI', finland.record_id, names.name, {{ site(json_text('finland.p.website', 'url')) }},
    {{ json_text('finland.p.mainbusinessline', 'type') }}, {{ json_text('finland.p.mainbusinessline', 'descriptions[0].description') }},
    cast(null as bigint), cast(null as boolean), cast(null as string), nullif(concat_ws(', ', addresses.street, addresses.post_code), ''),
    try_cast(finland.p.registrationdate as date),
    case when finland.is_deleted or finland.p.enddate is not null then 'ceased' when situations.record_id is not null then 'in_proceedings' else 'active' end,
    try_cast(coalesce(finland.p.enddate, situations.situation_date) as date),
    finland.version_at, finland.landed_at, finland.known_from
from finland
left join finnish_names as names
    on finland.record_id = names.record_id and finland.version_at = names.version_at and finland.landed_at = names.landed_at
left join finnish_addresses as addresses
    on finland.record_id = addresses.record_id and finland.version_at = addresses.version_at and finland.landed_at = addresses.landed_at
left join finnish_situations as situations
    on finland.record_id = situations.record_id and finland.version_at = situations.version_at and finland.landed_at = situations.landed_at
