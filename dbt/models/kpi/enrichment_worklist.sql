-- grain: one row per living company record of a CRM and field that is empty in it and known from outside the CRMs: what `salesops writeback` may fill in
-- M32's use. Harm first: the open pipeline of the company, then how much of its records is empty. A value of several sources is that seen last; how
-- many different ones there are is said. Revenue is offered only in the currency that the record holds it in. What a person typed is never in here.
{%- set fields = ['domain', 'industry', 'employees', 'revenue', 'country'] %}
with records as (
    select *, {{ crm_place('source') }} < 90 as is_in_crm
    from {{ ref('int_pipeline__company_records') }} where record_state = 'alive'
),

gaps as (
    {%- for field in fields %}
    select company_key, source, company_id, record_key, name, owner_key, currency, '{{ field }}' as field from records where is_in_crm and {{ field }} is null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

offers as (
    {%- for field in fields %}
    select
        company_key, '{{ field }}' as field, cast({{ field }} as string) as value, {{ "currency" if field == 'revenue' else 'cast(null as string)' }} as currency,
        source, record_key, updated_at
    from records where not is_in_crm and {{ field }} is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- how many a company has is said of all its offers, in whatever currency
chosen as (
    select
        offers.*, row_number() over (
            partition by company_key, field, coalesce(currency, '') order by updated_at desc nulls last, record_key nulls last
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
        gaps.*, chosen.value, chosen.record_key as from_key, chosen.updated_at, chosen.value_count, open_value.value_at_stake,
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
    cast(proposed.value as string) as value,
    cast(proposed.from_key as string) as value_from,
    cast({{ local_date('proposed.updated_at') }} as date) as observed_date,
    cast(null as double) as confidence,
    cast(proposed.value_count as bigint) as value_count,
    cast(proposed.value_at_stake as decimal(18, 2)) as value_at_stake
from proposed
left join {{ ref('owners') }} as owners on proposed.owner_key = owners.owner_key
