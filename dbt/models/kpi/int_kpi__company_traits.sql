{{ config(materialized=intermediate()) }}
-- grain: one row per company, technology that it used or signal that it gave, and line that says so
-- [known_true_from, true_to): when it was true and already observed. What was observed later, after a win above all, says nothing about a deal (M32).
select company_key, 'technology' as dimension, lower(technology) as member, greatest(valid_from, observed_at) as known_true_from, valid_to as true_to
from {{ ref('company_technologies') }}
union all
select company_key, 'signal', signal, greatest(valid_from, observed_at), valid_to
from {{ ref('company_signals') }}
