-- grain: one row per opportunity product, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set own = sf_own_fields('line_items') %}
{%- set fields = [
    'OpportunityId', 'Product2Id', 'Name', 'Quantity', 'ListPrice', 'UnitPrice', 'TotalPrice', 'Discount', 'ServiceDate', 'CreatedDate'
] %}

with versions as (
    {{ sf_records('line_items', fields + own.values() | list) }}
),

products as (
    {{ sf_records('products', ['Name']) }}
)

select
    versions.record_id as line_item_id,
    coalesce({{ filled('products.p.name') }}, {{ filled('versions.p.name') }}) as name,
    {{ money('versions.p.quantity') }} as quantity,
    coalesce({{ unit_money('versions.p.listprice') }}, {{ unit_money('versions.p.unitprice') }}) as price,
    {{ money('versions.p.totalprice') }} as amount,
    {{ money(sf_own('line_items', 'tcv')) }} as tcv,
    {{ unit_money(sf_own('line_items', 'unit_discount')) }} as unit_discount,
    {{ money('versions.p.discount') }} as discount_percent,
    {{ unit_money(sf_own('line_items', 'unit_cost')) }} as unit_cost,
    {{ vendor_date('versions.p.servicedate', "'UTC'") }} as billing_start_date,
    {{ money(sf_own('line_items', 'term_months')) }} as term_months,
    {{ sf_own('line_items', 'billing_frequency') }} as billing_frequency,
    {{ filled('versions.p.opportunityid') }} as deal_id,
    versions.deletion, versions.known_from
from versions
left join products on versions.p.product2id = products.record_id
where coalesce({{ vendor_instant('versions.p.createddate') }}, {{ as_of() }}) <= {{ as_of() }}
