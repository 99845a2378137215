-- grain: one row per seller or team, month and version of the target [valid_from, valid_to)
-- A row of the sheet is for a seller or for a whole team, never for both: a row that names both is the seller's. A target in another currency
-- than the company's is at the plan rate of the month's fiscal year. Rows gone from a corrected file are out.
with given as (
    select
        sheet.record_id, case when sheet.owner is not null then sheet_owners.owner_key end as owner_key,
        case when sheet.owner is null then sheet.team end as team, sheet.month, sheet.target,
        coalesce(sheet.currency, '{{ var("company_currency") }}') as currency,
        coalesce(sheet.valid_from, cast('1900-01-01' as date)) as valid_from, sheet.known_from
    from {{ ref('stg_spreadsheets__targets') }} as sheet
    left join {{ ref('int_pipeline__sheet_owners') }} as sheet_owners on lower(sheet.owner) = sheet_owners.spelling
    where not sheet.is_deleted and sheet.month is not null and sheet.target is not null and (sheet.owner is not null or sheet.team is not null)
),

-- two rows for one version: the larger record id is the later line of the sheet
single as (
    select * from (
        select *, row_number() over (
            partition by coalesce(owner_key, ''), coalesce(team, ''), month, valid_from order by record_id desc
        ) as choice
        from given
    ) as placed
    where choice = 1
)

select
    cast(single.owner_key as string) as owner_key,
    cast(single.team as string) as team,
    cast(single.month as date) as month,
    cast(single.valid_from as date) as valid_from,
    cast(lead(single.valid_from) over (
        partition by coalesce(single.owner_key, ''), coalesce(single.team, ''), single.month order by single.valid_from nulls last
    ) as date) as valid_to,
    cast({{ in_base('single.target', 'single.currency', 'rates.plan_rate_to_base') }} as decimal(18, 2)) as target_base,
    cast(single.target as decimal(18, 2)) as target,
    cast(single.currency as string) as currency,
    single.known_from
from single
left join {{ ref('exchange_rates') }} as rates on {{ rate_of('rates', 'single.currency', 'single.month') }}
