{{ config(materialized=intermediate()) }}
-- grain: one row per living company record that bears a valid organisation number
with sheets as (
    select company_id, legal_id_text, country as country_text, domain from {{ ref('stg_spreadsheets__companies') }} where legal_id_text is not null and not is_deleted
)

select numbers.source || ':company:' || numbers.company_id as record_key, numbers.country_code, numbers.legal_id
from {{ ref('int_crm__company_numbers') }} as numbers
where numbers.legal_id is not null
union all
select 'spreadsheets:company:' || numbers.company_id, numbers.country_code, numbers.legal_id
from ({{ with_organisation_numbers('sheets') }}) as numbers
where numbers.legal_id is not null
