"""What the brief asks the published file, in the order of the page. Each runs as it stands on the page.

What is reckoned here and not read from a mart stands in the SQL itself: nothing is reckoned after it.
"""

from __future__ import annotations

HEADLINES = ("win_rate", "bookings", "pipeline_created", "response_within_sla", "sales_cycle", "lead_to_sao")
_LISTED = ", ".join(f"'{name}'" for name in HEADLINES)

# asked first: the days that all others are asked for
PUBLICATION = """select publication_id, company, currency, is_practice,
    cast(as_of at time zone timezone as date) as day,
    as_of at time zone timezone as state_at, built_at at time zone timezone as built_at
from meta.publication"""

QUARTER = """select fiscal_quarter, fiscal_quarter_start, week(week_start - 7) as week_number,
    cast(week_start - 7 as date) as first_day, cast(week_start - 1 as date) as last_day,
    cast(week_start + 7 as date) as next_monday
from pipeline.calendar where date = date '{day}' limit 1"""

QUERIES = {
    "forecast": """select predicted, expected, low_50, high_50, low_80, high_80, won_value, open_value, new_value,
    target, chance_of_target, cast(round(1 / nullif(chance_of_target, 0)) as bigint) as one_in,
    cast(round(1 / nullif(1 - chance_of_target, 0)) as bigint) as missed_one_in,
    compared_date, expected - change_expected as expected_before, change_expected, change_won, change_open, change_new,
    method, weeks_to_end, period_start, period_end, as_of_date, note
from kpi.forecast where dimension = 'company' and is_chosen order by as_of_date desc limit 1""",
    "forecast_path": """select as_of_date, won_value, predicted, low_80, high_80
from kpi.forecast
where dimension = 'company' and is_chosen and period_start = date '{quarter}' order by as_of_date""",
    "forecast_misses": """select period_start, predicted, actual_value, miss_rate
from kpi.forecast
where dimension = 'company' and is_chosen and miss_rate is not null
    and weeks_to_end = (select arg_max(weeks_to_end, as_of_date) from kpi.forecast)
order by period_start""",
    "forecast_accuracy": """select origin_count, period_count, wape, bias, coverage_80, best_baseline_wape
from kpi.forecast_accuracy
where dimension = 'company' and method = 'chosen' and weeks_to_end is null""",
    "bookings": """select won_count, bookings.won_value, bookings.target, bookings.attainment_rate, pace_gap,
    past_period_count, missing_amount_count
from kpi.bookings left join kpi.attainment using (period_grain, period_start, dimension, member_key)
where period_grain = 'quarter' and period_start = date '{quarter}' and dimension = 'company'""",
    "locked": """select fiscal_quarter, lock_date, locked_value, won_value, restatement_value
from kpi.bookings join (select distinct fiscal_quarter, fiscal_quarter_start from pipeline.calendar) as quarters
    on fiscal_quarter_start = period_start
where period_grain = 'quarter' and dimension = 'company' and locked_value is not null
order by period_start desc limit 1""",
    "pipeline": """select snapshot_date, open_count, open_value, horizon_value, weighted_value, overdue_count,
    missing_amount_count, coverage_ratio, coverage_state
from kpi.pipeline_open where dimension = 'company' order by snapshot_date desc limit 1""",
    "pipeline_path": """select snapshot_date, horizon_value
from kpi.pipeline_open
where dimension = 'company' and horizon_start = date '{quarter}' and dayofweek(snapshot_date) = 1
order by snapshot_date""",
    "win_rate": """select won_count, decided_count, win_rate, win_rate_low, win_rate_high, win_rate_by_value
from kpi.win_rate
where period_grain = 'quarter' and period_start = date '{quarter}' and dimension = 'company'""",
    "created": """select created_count, created_value, is_provisional
from kpi.pipeline_created
where period_grain = 'week' and period_start = date '{week}' and dimension = 'company'""",
    "usual_money": """select metric, money, money_low, money_high, money_weeks
from kpi.signals
where metric in ('bookings', 'pipeline_created') and dimension = 'company' and part = 'all'
    and week_start = date '{week}'""",
    "lead_response": """select known_week, known_counted, cast(known_money as bigint) as known_met_count, known_value,
    verdict, stale_since
from kpi.signals
where metric = 'response_within_sla' and dimension = 'company' and known_week is not null
order by week_start desc limit 1""",
    "signals": f"""select metric, week_start, counted, value, money, usual, usual_low, usual_high, verdict, reason,
    since_week, series_count, abs(z) as distance, detectable_value,
    date_diff('week', since_week, week_start) + 1 as since_weeks,
    exists (
        select 1 from kpi.signals as alarm where alarm.is_alarm and alarm.dimension = 'company'
            and alarm.metric = now.metric and alarm.since_week = now.since_week
    ) as is_worse
from kpi.signals as now
where dimension = 'company' and part = 'all' and week_start = (select max(week_start) from kpi.signals)
    and metric in ({_LISTED})
order by metric""",
    "signal_path": f"""select metric, week_start, counted, value, money, usual, usual_low, usual_high, verdict
from kpi.signals
where dimension = 'company' and part = 'all' and metric in ({_LISTED})
    and week_start > (select max(week_start) from kpi.signals) - 182
order by metric, week_start""",
    "signal_causes": """select metric, place, step, kind, dimension, member, counted_before, counted_since,
    value_before, value_since
from kpi.signal_causes
where place is not null and week_start = (select max(week_start) from kpi.signals)
order by metric, place""",
    "signal_splits": """select parts.metric, parts.dimension, parts.member, parts.counted_before, parts.counted_since,
    parts.value_before, parts.value_since, parts.mix_effect, parts.rate_effect, parts.effect
from kpi.signal_causes as parts
left join kpi.signal_causes as named
    on named.place = 1 and named.metric = parts.metric and named.week_start = parts.week_start
where parts.kind = 'mix_and_rate' and parts.week_start = (select max(week_start) from kpi.signals)
    and parts.dimension in ('company', named.dimension)
order by parts.metric, parts.dimension = 'company', parts.member""",
    "signal_factors": """select metric, kind, value_before, value_since, effect
from kpi.signal_causes
where step = 'factor' and week_start = (select max(week_start) from kpi.signals)
order by metric, kind = 'size', kind""",
    "watched": """select metric, part, dimension, member, counted, value, usual,
    (select count(*) from kpi.signals where verdict = 'watch'
        and week_start = (select max(week_start) from kpi.signals)) as watch_count
from kpi.signals
where verdict = 'watch' and week_start = (select max(week_start) from kpi.signals)
order by q_value, metric, part, dimension, member limit 5""",
    "bulk_edits": """select changed_date, changed_by, deal_count, closed_or_reopened_count,
    first_changed_at at time zone '{zone}' as first_at, last_changed_at at time zone '{zone}' as last_at
from kpi.bulk_edits where changed_date >= date '{week}' order by deal_count desc, changed_date""",
    "pipeline_change": """select from_date, to_date, opening, created, pulled_in, pushed_in, reopened, transferred_in,
    restored,
    increased, -decreased as decreased, fx, -won as won, -lost as lost, -pushed_out as pushed_out,
    -pulled_out as pulled_out, -merged as merged, -removed as removed, -transferred_out as transferred_out, closing,
    opening_count, created_count, pulled_in_count, pushed_in_count, reopened_count, transferred_in_count,
    restored_count, increased_count, decreased_count, fx_count, won_count, lost_count, pushed_out_count,
    pulled_out_count, merged_count, removed_count, transferred_out_count, closing_count,
    came_in, revalued, -went_out as left_it, net_change as net, bulk_count, bulk_net_change, net_change_without_bulk
from kpi.pipeline_change
where period_grain = 'week' and to_date = date '{monday}' and window_start = date '{quarter}'
    and dimension = 'company' and close_window = 'current_quarter'""",
    "leaks": """select dimension, member, pipeline, stage, from_date, to_date, exited_count, advanced_count, lost_count,
    shrunk_rate, shrunk_low, shrunk_high, usual_rate, leak_value, leak_value_low, leak_value_high, time_leak_value,
    median_days, usual_days, top_reason, top_reason_share, reason_missing_share, verdict
from kpi.process_leaks
where dimension in ('company', 'team', 'segment') and place <= 3
order by dimension <> 'company', dimension desc, place""",
    "leak_count": """select count(*) filter (where not starts_with(verdict, 'too early')) as judged_count,
    count(*) filter (where starts_with(verdict, 'too early')) as early_count
from kpi.process_leaks where dimension = 'company'""",
    "leak_deals": """select name, amount_base, lost_date, loss_reason_group, url
from (
    select deals.name, lost.amount_base, lost.lost_date, lost.loss_reason_group, deals.url
    from kpi.process_leak_deals as lost
    join kpi.process_leaks as leak using (dimension, member_key, pipeline, stage)
    join pipeline.deals using (deal_key)
    where lost.dimension = 'company' and leak.place = 1
    order by lost.place limit 5
)""",
    "sellers": """select owners.team, owner, success_count, decided_count, expected_count, index_oe, expected_rate,
    shrunk_rate, shrunk_low, shrunk_high, is_new_starter, standing
from kpi.seller_index left join pipeline.owners using (owner_key)
where scope = 'trailing_4_quarters' and measure = 'win'
order by owners.team nulls last, owner""",
    "strengths": """select team, owner, measure, pipeline, stage, segment, success_count, decided_count, expected_rate,
    shrunk_rate, shrunk_low, shrunk_high, count(*) over () as all_count
from kpi.coaching where scope = 'trailing_4_quarters' and standing = 'above'
order by team nulls last, owner, measure desc, pipeline, stage, segment <> 'all', segment limit 6""",
    "coaching": """select team, owner, measure, pipeline, stage, segment, success_count, decided_count, expected_rate,
    shrunk_rate, shrunk_low, shrunk_high, teacher, teacher_shrunk_rate, count(*) over () as all_count
from kpi.coaching where scope = 'trailing_4_quarters' and standing = 'below'
order by team nulls last, owner, measure desc, pipeline, stage, segment <> 'all', segment limit 6""",
    "hygiene": """select team, owner, count(*) as deal_count, sum(value) as value,
    count(*) filter (where has_step) as step_count, count(*) filter (where has_date) as date_count,
    count(*) filter (where has_field) as field_count, grouping(owner) = 1 as is_total
from (
    select coalesce(team, '') as team, coalesce(owner, '') as owner, thing_key, max(value_at_stake) as value,
        bool_or(rule_id = 'R02') as has_step, bool_or(rule_id = 'R03') as has_date,
        bool_or(rule_id = 'R01') as has_field
    from kpi.hygiene_worklist where thing = 'deal' and severity = 'error' group by all
)
group by grouping sets ((team, owner), ())
order by is_total, team, owner""",
    "hygiene_rules": """select rule_id, what_to_do, count(distinct thing_key) as deal_count,
    sum(value_at_stake) as value
from kpi.hygiene_worklist where thing = 'deal' and severity = 'error'
group by rule_id, what_to_do order by value desc nulls last, rule_id""",
    "worklist": """select name, value_at_stake, owner, rule_id, what_to_do, broken_since, record_url
from kpi.hygiene_worklist where thing = 'deal' and severity = 'error'
order by value_at_stake desc nulls last, worklist_key limit 10""",
    "stale": """select source, object, state, state_reason, stale_since at time zone '{zone}' as since,
    newest_event_at at time zone '{zone}' as newest_event
from meta.data_status where state in ('stale', 'failed') order by source, object""",
    "data_status": """select source, max(newest_event_at) at time zone '{zone}' as newest_event,
    max(last_extract_at) at time zone '{zone}' as newest_extract,
    count(*) filter (where state in ('stale', 'failed')) as stale_count, count(*) as object_count
from meta.data_status where last_extract_at is not null or state in ('stale', 'failed')
group by source order by source""",
}
