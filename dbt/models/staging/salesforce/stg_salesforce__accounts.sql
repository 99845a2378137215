-- grain: one row: the org's corporate currency, the company's where there is but one or the org does not say
select
    coalesce(
        max(case when currencies.p.iscorporate = 'true' then {{ filled('currencies.p.isocode') }} end), max({{ filled('organizations.p.defaultcurrencyisocode') }}),
        '{{ var("company_currency") }}'
    ) as currency
from ({{ sf_records('organization', ['DefaultCurrencyIsoCode']) }}) as organizations
full join ({{ sf_records('currencies', ['IsoCode', 'IsCorporate']) }}) as currencies on 1 = 0
