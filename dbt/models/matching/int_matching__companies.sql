-- grain: one row per living company record, as the matching engine reads it
select
    record_key, source, created_at, updated_at, name, domain, cast(null as string) as legal_id, country, city, phone
from {{ ref('int_matching__company_records') }}
where record_state = 'alive'
