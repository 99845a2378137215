-- grain: one row per seller or team, month and version of the target [valid_from, valid_to)
-- A row of the sheet is for a seller or for a whole team, never for both: a row that names both is the seller's. Targets in another currency
-- than the company's have no target_base until there are rates. Rows gone from a corrected file are out.
with given as (
    select
        sheet.record_id, case when sheet.owner is not null then sheet_owners.owner_key end as owner_key,
        case when sheet.owner is null then sheet.team end as team, sheet.month, sheet.target, sheet.currency,
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
    cast(owner_key as string) as owner_key,
    cast(team as string) as team,
    cast(month as date) as month,
    cast(valid_from as date) as valid_from,
    cast(lead(valid_from) over (partition by coalesce(owner_key, ''), coalesce(team, ''), month order by valid_from nulls last) as date) as valid_to,
    cast(case when coalesce(currency, '{{ var("company_currency") }}') = '{{ var("company_currency") }}' then target end as decimal(18, 2)) as target_base,
    cast(target as decimal(18, 2)) as target,
    cast(coalesce(currency, '{{ var("company_currency") }}') as string) as currency,
    known_from
from single
