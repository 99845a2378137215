{{ config(materialized=intermediate()) }}
-- grain: one row per source row, field and problem: what staging typed to null, refused, or found absurd
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_hubspot__problems') }}
union all
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_spreadsheets__problems') }}
union all
select source, object, record_id, field, value, problem, first_seen_at from {{ ref('stg_exchange_rates__problems') }}
union all
select source, object, record_id, field, value, 'refused: ' || reason, landed_at from {{ ref('stg_landing__quarantine') }}
