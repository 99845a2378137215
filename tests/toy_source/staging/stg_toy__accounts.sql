-- grain: one row: the account, of which nothing is asked
select '{{ var("company_currency") }}' as currency
