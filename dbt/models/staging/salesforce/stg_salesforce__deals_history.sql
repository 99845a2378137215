-- grain: one row per opportunity, field, instant and place at that instant (1 = the newest), cut by (E, K)
{%- set fields = [
    ('stage_id', 'StageName', 'StageName', 'text', 'StageName'), ('amount', 'Amount', 'Amount', 'amount', 'Amount'),
    ('close_date', 'CloseDate', 'CloseDate', 'date', 'CloseDate'),
    ('forecast_category', 'ForecastCategoryName', 'ForecastCategory', 'forecast', 'ForecastCategory'),
    ('pipeline_id', 'RecordType', 'RecordTypeId', 'record_type', none), ('owner_id', 'Owner', 'OwnerId', 'owner', none),
    ('currency', 'CurrencyIsoCode', 'CurrencyIsoCode', 'text', none)
] %}
{%- for field, name in sf_own_fields('opportunities').items() if field in rule_fields() %}{% do fields.append((field, name, name, sf_kind(field), none)) %}{% endfor %}
{{ sf_history('opportunities', 'deal_id', fields) }}
