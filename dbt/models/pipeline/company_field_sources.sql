-- grain: one row per company that several records make up, and field that one of them fills: which record won it, and why
with won as (
    {{ survivor_rows(ref('int_pipeline__company_records'), 'company_key', company_survivors()) }}
)

select
    cast(company_key || '>' || field as string) as field_key,
    cast(company_key as string) as company_key,
    cast(field as string) as field,
    cast(value as string) as value,
    cast(record_key as string) as record_key,
    cast(rule as string) as rule,
    cast(value_count as bigint) as value_count
from won
