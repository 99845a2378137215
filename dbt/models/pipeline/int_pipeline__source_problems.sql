{{ config(materialized=intermediate()) }}
-- grain: one row per source row, field and problem: what staging typed to null, refused, or found absurd
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('int_crm__problems') }}
union all
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_spreadsheets__problems') }}
union all
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_spreadsheets__enrichment_problems') }}
union all
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_exchange_rates__problems') }}
union all
select source, object, record_id, field, value, 'refused: ' || reason, landed_at from {{ ref('stg_landing__quarantine') }}
union all
select
    'matching', case thing when 'company' then 'companies' else 'contacts' end, kind, 'duplicates', cast(record_count as string),
    case when kind = 'all keys' then 'records share all that they hold with too many others: compared with nobody, so their duplicates are not found'
        else 'values of this key are shared by too many records to compare them on it: they are compared on what else they hold' end,
    cast(null as {{ instant_type() }})
from {{ ref('int_matching__uncompared') }}
