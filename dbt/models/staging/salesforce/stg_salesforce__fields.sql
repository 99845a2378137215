-- grain: one row per field of an opportunity that the org shows its reader at K, and that we read
with fields as (
    select split_part(record_id, '.', 2) as name
    from {{ last_listed(source('salesforce', 'fields')) }} as listed
    where split_part(record_id, '.', 1) = 'Opportunity'
)

{%- set read = [('forecast_category', 'ForecastCategory'), ('lead_source', 'LeadSource')] %}
{%- for field, name in sf_own_fields('opportunities').items() if field in rule_fields() %}{% do read.append((field, name)) %}{% endfor %}

select distinct names.field
from {{ text_rows(read, ['field', 'name']) }} as names
inner join fields on names.name = fields.name
