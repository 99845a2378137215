-- grain: one row per contact record of every source
-- root_key: its survivor over any number of merges in the CRM. company_root_key: the primary company's survivor, else that of the smallest id.
-- Only what is alive is matched; the rest keeps its key and lends it to nobody.
with recursive crm as (
    select *, source || ':contact:' || contact_id as record_key, source || ':contact:' || merged_into as merged_into_key from {{ ref('int_crm__contacts') }}
),

{{ merge_roots('crm', 'record_key', 'merged_into_key') }}

select
    crm.record_key, roots.root_id as root_key, crm.source, crm.contact_id,
    coalesce(crm.deletion, 'alive') as record_state, crm.first_name, crm.last_name, crm.email, crm.phone, crm.mobile_phone, crm.title, crm.company_name,
    employers.root_key as company_root_key, crm.country, crm.city, crm.lifecycle_stage, crm.owner_id, crm.first_source, crm.campaign, crm.entry_channel,
    crm.created_at, crm.version_at as updated_at, crm.known_from
from crm
inner join roots on crm.record_key = roots.record_key
left join {{ primary_linked('contacts', 'company', ref('int_matching__company_records'), 'root_key') }} as employers
    on crm.source = employers.source and crm.contact_id = employers.from_id
