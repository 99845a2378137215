{{ config(materialized=intermediate()) }}
-- grain: one row per source company: which record of a company its golden values come from (1 = first choice)
-- legal_id_text: what its CRM's field of the organisation number holds, right or wrong; NULL where that is empty or none is read.
-- age_place: the record that names the company, then the living ones, changed last. Records merged away in the CRM have given what they had.
select
    identities.company_key, records.*, {{ seller_key('records.source', 'records.owner_id', 'same') }} as owner_key, numbers.legal_id_text, row_number() over (
        partition by identities.company_key
        order by case when records.record_key = identities.company_key then 0 else 1 end, records.updated_at desc, records.record_key nulls last
    ) as age_place
from {{ ref('int_matching__company_records') }} as records
inner join {{ ref('company_identities') }} as identities on records.source = identities.source and records.company_id = identities.company_id
left join {{ ref('int_crm__company_numbers') }} as numbers on records.source = numbers.source and records.company_id = numbers.company_id
left join {{ ref('int_pipeline__same_owners') }} as same on {{ same_seller('records.source', 'records.owner_id', 'same') }}
where records.record_state in ('alive', 'named only') or records.record_key = identities.company_key
