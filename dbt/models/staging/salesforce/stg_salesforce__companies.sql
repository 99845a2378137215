-- grain: one row per account, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set number_field = var('company_number_fields').salesforce %}
{%- set fields = [
    number_field, 'Name', 'Website', 'Industry', 'NumberOfEmployees', 'AnnualRevenue', 'CurrencyIsoCode', 'BillingCountry', 'BillingCity', 'Phone', 'OwnerId', 'CreatedDate'
] %}

with versions as (
    {{ sf_records('accounts', fields) }}
)

select
    versions.record_id as company_id,
    {{ filled('versions.p.name') }} as name,
    {{ filled(replace_all(replace_all('lower(versions.p.website)', '^ *(https?://)?', ''), '[/?#: ].*$', '')) }} as domain,
    {{ filled('versions.p.industry') }} as industry,
    try_cast({{ filled('versions.p.numberofemployees') }} as bigint) as employees,
    {{ money('versions.p.annualrevenue') }} as revenue,
    coalesce({{ filled('versions.p.currencyisocode') }}, accounts.currency) as currency,
    {{ filled('versions.p.billingcountry') }} as country,
    {{ filled('versions.p.billingcity') }} as city,
    {{ filled('versions.p.phone') }} as phone,
    {{ replace_all(filled('versions.p.' ~ number_field | lower), '[.]0+$', '') }} as legal_id_text,
    {{ sf_owner('versions.p.ownerid') }} as owner_id,
    versions.p.numberofemployees as employees_text, versions.p.annualrevenue as revenue_text,
    {{ vendor_instant('versions.p.createddate') }} as created_at,
    versions.deletion, versions.merged_into, versions.version_at, versions.known_from
from versions
cross join {{ ref('stg_salesforce__accounts') }} as accounts
where coalesce({{ vendor_instant('versions.p.createddate') }}, {{ as_of() }}) <= {{ as_of() }}
