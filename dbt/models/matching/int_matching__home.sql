-- grain: one row: the company's own country, for phone numbers that name none
-- A table, as the Python model cannot ask for a variable: its configuration is rendered when the project is parsed, which a night does without them.
select cast('{{ var("company_country") }}' as string) as country
