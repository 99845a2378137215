-- grain: one row per pair of records of which one names the other, as of (E, K)
-- A lead is its own person. What it is not converted to it names in words: the living account of exactly that name, where one alone has it.
with roles as (
    {{ sf_records('contact_roles', ['OpportunityId', 'ContactId', 'Role', 'IsPrimary']) }}
),

named as (
    select lower(name) as name, min(company_id) as company_id
    from {{ ref('stg_salesforce__companies') }} where deletion is null and name is not null group by lower(name) having count(*) = 1
),

pairs as (
    select 'contacts' as from_object, contact_id as from_id, 'companies' as to_object, company_id as to_id, true as is_primary, cast(null as string) as label
    from {{ ref('stg_salesforce__contacts') }}
    union all
    select 'deals', deal_id, 'companies', company_id, true, cast(null as string) from {{ ref('stg_salesforce__deals') }}
    union all
    select 'deals', deal_id, 'contacts', contact_id, false, cast(null as string) from {{ ref('stg_salesforce__deals') }}
    union all
    select 'deals', p.opportunityid, 'contacts', p.contactid, p.isprimary = 'true', {{ filled('p.role') }} from roles where deletion is null
    union all
    select 'deals', deal_id, 'line_items', line_item_id, false, cast(null as string) from {{ ref('stg_salesforce__line_items') }}
    union all
    select 'leads', lead_id, 'contacts', contact_id, true, cast(null as string) from (select lead_id, lead_id as contact_id from {{ ref('stg_salesforce__leads') }}) as people
    union all
    select 'leads', lead_id, 'deals', converted_deal_id, true, cast(null as string) from {{ ref('stg_salesforce__leads') }} where is_converted
    {%- for object in ['leads', 'contacts'] %}
    union all
    select
        '{{ object }}', leads.lead_id, 'companies', coalesce(case when leads.is_converted then leads.converted_company_id end, named.company_id), true,
        cast(null as string)
    from {{ ref('stg_salesforce__leads') }} as leads
    left join named on lower(leads.company_name) = named.name
    {%- endfor %}
    {%- for other, column, prefixes in [
        ('contacts', 'who_id', ['003', '00Q']), ('deals', 'what_id', ['006']), ('companies', 'what_id', ['001']), ('companies', 'company_id', ['001'])
    ] %}
    union all
    select activity_type || 's', activity_id, '{{ other }}', {{ column }}, false, cast(null as string)
    from {{ ref('stg_salesforce__activities') }} where substring({{ column }}, 1, 3) in ('{{ prefixes | join("', '") }}')
    {%- endfor %}
)

select
    from_object, from_id, to_object, to_id, max(case when is_primary then 1 else 0 end) = 1 as is_primary, {{ ordered_list('label', 'label') }} as labels
from pairs
where from_id is not null and to_id is not null
group by from_object, from_id, to_object, to_id
