-- grain: one row per company record that has something in the field of its organisation number
with written as (
    select company_id, legal_id_text, country as country_text, domain from {{ ref('stg_pipedrive__companies') }} where legal_id_text is not null
)

select company_id, legal_id_text, country_code, legal_id
from ({{ with_organisation_numbers('written') }}) as numbers
