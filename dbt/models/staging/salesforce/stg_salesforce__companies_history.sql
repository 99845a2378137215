-- grain: one row per account, field, instant and place at that instant (1 = the newest), cut by (E, K)
{{ sf_history('accounts', 'company_id', [
    ('industry', 'Industry', 'Industry', 'text', none), ('employees', 'NumberOfEmployees', 'NumberOfEmployees', 'number', none)
], always=true) }}
