-- grain: one row per field of a deal that the account has at K and that we read; every account has a reason of the loss
select field from {{ pd_keys('deals') }} as keys
where field in (
    '{{ (rule_fields() + ['forecast_category', 'lead_source']) | join("',
    '") }}'
)
union
select 'loss_reason'
