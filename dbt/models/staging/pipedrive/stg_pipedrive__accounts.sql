-- grain: one row: the currency and the address of the account, as the user sees it whose token this is
select
    coalesce(max({{ filled('account.r.default_currency') }}), '{{ var("company_currency") }}') as currency,
    max({{ filled('account.r.company_domain') }}) as domain
from ({{ pd_typed('account_info', ['default_currency', 'company_domain']) }}) as account
