-- counts balance from CRM to mart: every lead record alive at E is one lead, and no two leads are the same record
select records.lead_id, leads.lead_key
from (select source, lead_id from {{ ref('int_crm__leads') }} where deletion is null) as records
full outer join (select lead_key, source, lead_id from {{ ref('leads') }} where lead_rule = 'lead_record') as leads
    on records.source = leads.source and records.lead_id = leads.lead_id
where records.lead_id is null or leads.lead_id is null
