-- I15: leads = answered + unanswered + already in contact + excluded; the SLA's denominator is met + breached, and not_due is outside
select period_grain, period_start, dimension, member_key, lead_count
from {{ ref('lead_response') }}
where lead_count <> answered_count + unanswered_count + already_in_contact_count + excluded_count
    or answered_count + unanswered_count <> met_count + breached_count + not_due_count
    or within_sla_rate is distinct from met_count / nullif(cast(met_count + breached_count as double), 0)
    or not_due_count > unanswered_count
