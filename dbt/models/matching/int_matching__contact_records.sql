-- grain: one row per contact record of every source
-- root_key: its survivor over any number of merges in the CRM. company_root_key: the primary company's survivor, else that of the smallest id.
-- Only what is alive is matched; the rest keeps its key and lends it to nobody.
with recursive crm as (
    select *, source || ':contact:' || contact_id as record_key, source || ':contact:' || merged_into as merged_into_key from {{ ref('int_crm__contacts') }}
),

{{ merge_roots('crm', 'record_key', 'merged_into_key') }},

employers as (
    select
        links.source, links.from_id as contact_id,
        min_by(companies.root_key, {{ primary_first('links', 'to_id') }}) filter (where companies.root_key is not null) as company_root_key
    from {{ ref('int_crm__links') }} as links
    inner join {{ ref('int_matching__company_records') }} as companies on links.to_id = companies.company_id and links.source = companies.source
    where links.from_object = 'contacts' and links.to_object = 'companies'
    group by links.source, links.from_id
)

select
    crm.record_key, roots.root_id as root_key, crm.source, crm.contact_id,
    coalesce(crm.deletion, 'alive') as record_state, crm.first_name, crm.last_name, crm.email, crm.phone, crm.mobile_phone, crm.title, crm.company_name,
    employers.company_root_key, crm.country, crm.city, crm.lifecycle_stage, crm.owner_id, crm.first_source, crm.campaign, crm.entry_channel,
    crm.created_at, crm.version_at as updated_at, crm.known_from
from crm
inner join roots on crm.record_key = roots.record_key
left join employers on crm.source = employers.source and crm.contact_id = employers.contact_id
