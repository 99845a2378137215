-- grain: one row per living company record of a CRM and field that is empty in it and known from outside the CRMs: what `salesops writeback` may fill in
-- M32's use. Harm first: the open pipeline of the company, then how much of its records is empty. Of several values, of company sheets, enrichment sheets
-- and registers alike, the one that was seen last is offered, of one instant the surest; how many different ones there are is said. Revenue is offered
-- only in the currency that the record holds it in. What a person typed is never in here; of a field that the warehouse does not read (industry_code,
-- status, parent, founded_date; offered where `unread_company_fields` says that the CRM has one) that is seen only when it is written.
{%- set read = {'domain': 'domain', 'industry': 'industry', 'employees': 'employees', 'revenue': 'revenue', 'country': 'country', 'city': 'city', 'legal_id': 'legal_id_text'} %}
{%- set of_sheets = ['domain', 'industry', 'employees', 'revenue', 'country'] %}
with records as (
    select *, {{ crm_place('source') }} < 90 as is_in_crm
    from {{ ref('int_pipeline__company_records') }} where record_state = 'alive'
),

gaps as (
    {%- for field, column in read.items() %}
    select company_key, source, company_id, record_key, name, owner_key, currency, '{{ field }}' as field, true as is_read
    from records where is_in_crm and {{ column }} is null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {%- for crm, fields in var('unread_company_fields').items() %}
    {%- for field in fields %}
    union all
    select company_key, source, company_id, record_key, name, owner_key, currency, '{{ field }}', false from records where source = '{{ crm }}'
    {%- endfor %}
    {%- endfor %}
),

offers as (
    {%- for field in of_sheets %}
    select
        company_key, '{{ field }}' as field, cast({{ field }} as string) as value, {{ "currency" if field == 'revenue' else 'cast(null as string)' }} as currency,
        record_key as value_from, updated_at as observed_at, cast(null as double) as confidence
    from records where not is_in_crm and {{ field }} is not null
    union all
    {%- endfor %}
    select
        company_key, attribute,
        case when attribute = 'country' then case value when 'NO' then 'Norway' when 'FI' then 'Finland' else value end else value end,
        case when attribute = 'revenue' then unit end, source || case when matched_by = 'entity resolution' then ', found by entity resolution' else '' end,
        observed_at, confidence
    from {{ ref('company_attributes') }} where valid_to is null
),

-- how many a company has is said of all its offers, in whatever currency
chosen as (
    select
        offers.*, row_number() over (
            partition by company_key, field, coalesce(currency, '')
            order by observed_at desc nulls last, confidence desc nulls last, value_from nulls last, value nulls last
        ) as place,
        dense_rank() over (partition by company_key, field, coalesce(currency, '') order by value nulls last)
        + dense_rank() over (partition by company_key, field, coalesce(currency, '') order by value desc nulls last) - 1 as value_count
    from offers
),

open_value as (
    select company_key, sum(amount_base) as value_at_stake
    from {{ ref('deals') }} where life_state = 'open' and not is_excluded group by company_key
),

proposed as (
    select
        gaps.*, chosen.value, chosen.value_from, chosen.observed_at, chosen.confidence, chosen.value_count, open_value.value_at_stake,
        count(*) over (partition by gaps.record_key) as gap_count
    from gaps
    inner join chosen
        on gaps.company_key = chosen.company_key and gaps.field = chosen.field and chosen.place = 1
        and (chosen.currency is null or chosen.currency = gaps.currency)
    left join open_value on gaps.company_key = open_value.company_key
)

select
    cast(proposed.record_key || '>' || proposed.field as string) as worklist_key,
    cast(row_number() over (
        order by proposed.value_at_stake desc nulls last, proposed.gap_count desc nulls last, proposed.record_key nulls last, proposed.field nulls last
    ) as bigint) as place,
    cast(proposed.source as string) as source,
    cast(proposed.record_key as string) as record_key,
    cast(proposed.company_key as string) as company_key,
    cast(proposed.name as string) as name,
    cast({{ record_url('proposed', 'company') }} as string) as record_url,
    cast(proposed.owner_key as string) as owner_key,
    cast(coalesce(owners.name, owners.email, proposed.owner_key, 'unknown') as string) as owner,
    cast(proposed.field as string) as field,
    cast(proposed.is_read as boolean) as is_read,
    cast(proposed.value as string) as value,
    cast(proposed.value_from as string) as value_from,
    cast({{ local_date('proposed.observed_at') }} as date) as observed_date,
    cast(proposed.confidence as double) as confidence,
    cast(proposed.value_count as bigint) as value_count,
    cast(proposed.value_at_stake as decimal(18, 2)) as value_at_stake
from proposed
left join {{ ref('owners') }} as owners on proposed.owner_key = owners.owner_key
