-- grain: one row per line item, newest version as of (E, K); deleted records are kept and say so in `deletion`
{%- set fields = [
    'name', 'quantity', 'price', 'amount', 'hs_recurring_billing_period', 'hs_term_in_months', 'recurringbillingfrequency', 'hs_product_id', 'hs_tcv',
    'createdate', 'discount', 'hs_discount_percentage', 'hs_cost_of_goods_sold', 'hs_recurring_billing_start_date'
] %}

with versions as (
    {{ newest_versions(source('hubspot', 'line_items'), fields) }}
)

select
    versions.record_id as line_item_id,
    {{ filled('versions.p.properties.name') }} as name,
    {{ money('versions.p.properties.quantity') }} as quantity,
    {{ unit_money('versions.p.properties.price') }} as price,
    {{ money('versions.p.properties.amount') }} as amount,
    {{ money('versions.p.properties.hs_tcv') }} as tcv,
    {{ unit_money('versions.p.properties.discount') }} as unit_discount,
    {{ money('versions.p.properties.hs_discount_percentage') }} as discount_percent,
    {{ unit_money('versions.p.properties.hs_cost_of_goods_sold') }} as unit_cost,
    {{ vendor_date('versions.p.properties.hs_recurring_billing_start_date', "'UTC'") }} as billing_start_date,
    {{ filled('versions.p.properties.hs_recurring_billing_period') }} as billing_period,
    {{ money('versions.p.properties.hs_term_in_months') }} as term_months,
    {{ filled('versions.p.properties.recurringbillingfrequency') }} as billing_frequency,
    {{ filled('versions.p.properties.hs_product_id') }} as product_id,
    versions.p.properties.quantity as quantity_text, versions.p.properties.price as price_text, versions.p.properties.amount as amount_text,
    versions.p.properties.hs_term_in_months as term_text, versions.p.properties.hs_tcv as tcv_text,
    versions.p.properties.discount as discount_text, versions.p.properties.hs_discount_percentage as discount_percent_text,
    versions.p.properties.hs_cost_of_goods_sold as unit_cost_text,
    coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}) as created_at,
    versions.deletion, versions.deleted_at, versions.merged_into, versions.version_at, versions.is_reconstructed, versions.known_from
from versions
where coalesce(coalesce({{ vendor_instant('versions.p.properties.createdate') }}, {{ vendor_instant('versions.p.createdAt') }}), {{ as_of() }}) <= {{ as_of() }}
