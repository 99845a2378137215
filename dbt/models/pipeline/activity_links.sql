-- grain: one row per activity and thing that it is linked to: a contact, a company or a deal; exactly one of the three keys is filled
-- Count activities through distinct activity_key: one activity has many links (I18). Links to merged records lead to the survivor;
-- links to things that no source lists are absent.
with crm as (
    {%- for name in ['call', 'email', 'meeting', 'note', 'task'] %}
    select source, source || ':{{ name }}:' || from_id as activity_key, to_object as thing, to_id as thing_id
    from {{ ref('int_crm__links') }} where from_object = '{{ name }}s'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

sheets as (
    select 'spreadsheets:activity:' || activity_id as activity_key, lower(trim(company)) as company, lower(trim(contact)) as contact
    from {{ ref('stg_spreadsheets__activities') }}
    where not is_deleted
),

-- a sheet's contact is an e-mail address, or a name that one person bears at the company of that name
people as (
    select '' as company, email as spelling, min(contact_key) as contact_key
    from {{ ref('int_pipeline__contact_records') }} where email is not null group by email having count(distinct contact_key) = 1
    union all
    select lower(companies.name), lower(contacts.full_name), min(contacts.contact_key)
    from {{ ref('int_pipeline__contact_records') }} as contacts
    inner join {{ ref('int_pipeline__company_records') }} as companies on contacts.company_key = companies.company_key
    where contacts.full_name is not null and companies.name is not null
    group by lower(companies.name), lower(contacts.full_name) having count(distinct contacts.contact_key) = 1
),

linked as (
    select crm.activity_key, identities.contact_key, cast(null as string) as company_key, cast(null as string) as deal_key
    from crm
    inner join {{ ref('contact_identities') }} as identities
        on crm.thing = 'contacts' and crm.thing_id = identities.contact_id and identities.source = crm.source
    union all
    select crm.activity_key, cast(null as string), identities.company_key, cast(null as string)
    from crm
    inner join {{ ref('company_identities') }} as identities
        on crm.thing = 'companies' and crm.thing_id = identities.company_id and identities.source = crm.source
    union all
    select crm.activity_key, cast(null as string), cast(null as string), deals.deal_key
    from crm
    inner join {{ ref('deals') }} as deals on crm.thing = 'deals' and crm.thing_id = deals.deal_id and deals.source = crm.source
    union all
    select sheets.activity_key, cast(null as string), sheet_companies.company_key, cast(null as string)
    from sheets
    inner join {{ sheet_companies() }} as sheet_companies on sheets.company = sheet_companies.spelling
    union all
    select sheets.activity_key, people.contact_key, cast(null as string), cast(null as string)
    from sheets
    inner join people on sheets.contact = people.spelling and people.company in ('', sheets.company)
)

select distinct
    cast(linked.activity_key || '>' || coalesce(linked.contact_key, linked.company_key, linked.deal_key) as string) as link_key,
    cast(linked.activity_key as string) as activity_key,
    cast(linked.contact_key as string) as contact_key,
    cast(linked.company_key as string) as company_key,
    cast(linked.deal_key as string) as deal_key
from linked
inner join {{ ref('activities') }} as activities on linked.activity_key = activities.activity_key
