-- grain: one row per contact record of every source
-- root_key: its survivor over any number of merges in the CRM. company_root_key: the primary company's survivor, else that of the smallest id.
-- Only what is alive is matched; the rest keeps its key and lends it to nobody.
with recursive crm as (
    select * from {{ ref('stg_hubspot__contacts') }}
),

{{ merge_roots('crm', 'contact_id') }},

employers as (
    select
        links.contact_id,
        min_by(companies.root_key, {{ primary_first('links', 'company_id') }}) filter (where companies.root_key is not null) as company_root_key
    from {{ ref('stg_hubspot__contacts_companies_links') }} as links
    inner join {{ ref('int_matching__company_records') }} as companies on links.company_id = companies.company_id and companies.source = 'hubspot'
    group by links.contact_id
)

select
    'hubspot:contact:' || crm.contact_id as record_key, 'hubspot:contact:' || roots.root_id as root_key, 'hubspot' as source, crm.contact_id,
    coalesce(crm.deletion, 'alive') as record_state, crm.first_name, crm.last_name, crm.email, crm.phone, crm.mobile_phone, crm.title, crm.company_name,
    employers.company_root_key, crm.country, crm.city, crm.lifecycle_stage, crm.owner_id, crm.first_source, crm.campaign, crm.object_source,
    crm.created_at, crm.version_at as updated_at, crm.known_from
from crm
inner join roots on crm.contact_id = roots.contact_id
left join employers on crm.contact_id = employers.contact_id
