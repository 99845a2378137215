-- grain: one row per lead, newest version as of (E, K); deleted records are kept and say so in `deletion`; what it says of the person is here too
-- is_converted: by the local day of E, since the vendor keeps the day only
{%- set own = sf_own_fields('leads') %}
{%- set fields = [
    'FirstName', 'LastName', 'Email', 'Phone', 'MobilePhone', 'Title', 'Company', 'Country', 'City', 'LeadSource', 'Status', 'OwnerId', 'CreatedDate', 'CreatedById',
    'IsConverted', 'ConvertedDate', 'ConvertedAccountId', 'ConvertedContactId', 'ConvertedOpportunityId'
] %}

with versions as (
    {{ sf_records('leads', fields + own.values() | list) }}
)

select
    versions.record_id as lead_id, 'default' as pipeline_id,
    {{ filled('versions.p.status') }} as stage_id,
    {{ filled('versions.p.leadsource') }} as lead_source,
    {{ sf_own('leads', 'disqualification_reason') }} as disqualification_reason,
    {{ sf_owner('versions.p.ownerid') }} as owner_id,
    {{ sf_own('leads', 'campaign') }} as campaign,
    lower({{ filled('versions.p.email') }}) as email, {{ filled('versions.p.firstname') }} as first_name, {{ filled('versions.p.lastname') }} as last_name,
    {{ filled('versions.p.phone') }} as phone, {{ filled('versions.p.mobilephone') }} as mobile_phone, {{ filled('versions.p.title') }} as title,
    {{ filled('versions.p.company') }} as company_name, {{ filled('versions.p.country') }} as country, {{ filled('versions.p.city') }} as city,
    coalesce(versions.p.isconverted = 'true' and try_cast(versions.p.converteddate as date) <= {{ as_of_date() }}, false) as is_converted,
    {{ filled('versions.p.convertedaccountid') }} as converted_company_id, {{ filled('versions.p.convertedcontactid') }} as converted_contact_id,
    {{ filled('versions.p.convertedopportunityid') }} as converted_deal_id,
    {{ vendor_instant('versions.p.createddate') }} as created_at,
    versions.deletion, versions.merged_into, versions.version_at, versions.known_from
from versions
where coalesce({{ vendor_instant('versions.p.createddate') }}, {{ as_of() }}) <= {{ as_of() }}
