-- grain: one row per contact that several records make up, and field that one of them fills: which record won it, and why
with won as (
    {{ survivor_rows(ref('int_pipeline__contact_records'), 'contact_key', contact_survivors()) }}
)

select
    cast(contact_key || '>' || field as string) as field_key,
    cast(contact_key as string) as contact_key,
    cast(field as string) as field,
    cast(value as string) as value,
    cast(record_key as string) as record_key,
    cast(rule as string) as rule,
    cast(value_count as bigint) as value_count
from won
