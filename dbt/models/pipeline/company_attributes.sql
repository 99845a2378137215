-- grain: one row per company, supplier, attribute and interval [valid_from, valid_to) in which the supplier's value stays the same (M32)
-- A value is true from valid_from on and was known from observed_at on: a figure about a past day may use it only from the later of the two. Of two
-- statements from one instant the one observed last counts; one that a corrected file took back ends when that was saved.
with statements as (
    select
        companies.company_key, statements.*, companies.matched_by,
        row_number() over (
            partition by companies.company_key, statements.supplier, statements.attribute, statements.valid_from
            order by statements.observed_at desc, statements.version_at desc, statements.landed_at desc, statements.value desc, statements.record_key nulls last
        ) as choice
    from {{ ref('int_pipeline__company_statements') }} as statements
    inner join {{ ref('int_pipeline__enriched_companies') }} as companies on statements.record_key = companies.record_key
    where statements.valid_from <= {{ as_of() }} and statements.observed_at <= {{ as_of() }}
),

followed as (
    select
        *, lag(value) over (partition by company_key, supplier, attribute order by valid_from nulls last) as value_before,
        lag(unit) over (partition by company_key, supplier, attribute order by valid_from nulls last) as unit_before
    from statements
    where choice = 1
),

intervals as (
    select *, lead(valid_from) over (partition by company_key, supplier, attribute order by valid_from nulls last) as valid_to
    from followed
    where coalesce(value, '') <> coalesce(value_before, '') or coalesce(unit, '') <> coalesce(unit_before, '')
)

select
    cast(company_key || '>' || supplier || '>' || attribute || '>' || cast({{ epoch_micros('valid_from') }} as string) as string) as attribute_key,
    cast(company_key as string) as company_key,
    cast(attribute as string) as attribute,
    cast(value as string) as value,
    cast(unit as string) as unit,
    cast(supplier as string) as source,
    valid_from,
    valid_to,
    observed_at,
    cast(confidence as double) as confidence,
    cast(matched_by as string) as matched_by,
    cast(record_key as string) as record_key,
    known_from
from intervals
where value is not null
