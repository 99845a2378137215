-- grain: one row per contact and per lead, which is a person too, newest version as of (E, K); deleted records are kept and say so in `deletion`
-- A converted lead is merged into the contact that it became. How a record came in the vendor does not say: no record proves by its creation
-- that it was right then.
{%- set own = sf_own_fields('contacts') %}
{%- set fields = [
    'FirstName', 'LastName', 'Email', 'Phone', 'MobilePhone', 'Title', 'AccountId', 'MailingCountry', 'MailingCity', 'LeadSource', 'OwnerId', 'EmailBouncedReason',
    'CreatedDate'
] %}

with versions as (
    {{ sf_records('contacts', fields + own.values() | list) }}
)

select
    versions.record_id as contact_id,
    lower({{ filled('versions.p.email') }}) as email, {{ filled('versions.p.firstname') }} as first_name, {{ filled('versions.p.lastname') }} as last_name,
    coalesce({{ filled('versions.p.phone') }}, {{ filled('versions.p.mobilephone') }}) as phone, {{ filled('versions.p.mobilephone') }} as mobile_phone,
    {{ filled('versions.p.title') }} as title, cast(null as string) as company_name,
    {{ filled('versions.p.mailingcountry') }} as country, {{ filled('versions.p.mailingcity') }} as city,
    lower({{ sf_own('contacts', 'lifecycle_stage') }}) as lifecycle_stage, {{ sf_own('contacts', 'lead_status') }} as lead_status,
    {{ filled('versions.p.leadsource') }} as first_source, {{ sf_owner('versions.p.ownerid') }} as owner_id, {{ sf_own('contacts', 'campaign') }} as campaign,
    cast(null as string) as entry_channel, false as was_filled_in, {{ sf_bounce('versions.p.emailbouncedreason') }} as email_bounce,
    {{ filled('versions.p.accountid') }} as company_id, {{ vendor_instant('versions.p.createddate') }} as created_at,
    versions.deletion, versions.merged_into, versions.version_at, versions.known_from
from versions
where coalesce({{ vendor_instant('versions.p.createddate') }}, {{ as_of() }}) <= {{ as_of() }}
union all
select
    lead_id, email, first_name, last_name, coalesce(phone, mobile_phone), mobile_phone, title, company_name, country, city, cast(null as string), stage_id, lead_source, owner_id,
    campaign, cast(null as string), false, cast(null as string), converted_company_id, created_at,
    case when deletion is null and is_converted and converted_contact_id is not null then 'merged' else deletion end,
    case when deletion is null and is_converted then converted_contact_id else merged_into end, version_at, known_from
from {{ ref('stg_salesforce__leads') }}
