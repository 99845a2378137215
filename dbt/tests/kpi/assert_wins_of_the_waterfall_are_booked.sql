{{ config(meta={'dagster': {'ref': {'name': 'pipeline_change'}}}) }}
-- I03: won_dated_in_window = the ledger's wins with booked_on in the window and recorded_on in the period; a deal whose win was edited or
-- taken back in the same period is left out of both sides by leaving its period out
with lines as (
    select change.period_grain, change.from_date, change.close_window, sum(ledger.amount_base) as amount_base, count(*) filter (where ledger.kind <> 'won') as other_count
    from {{ ref('pipeline_change') }} as change
    inner join {{ ref('bookings_ledger') }} as ledger
        on ledger.recorded_on >= change.from_date and ledger.recorded_on < change.to_date
        and (change.close_window = 'all' or (ledger.booked_on >= change.window_start and ledger.booked_on < change.window_end))
    where change.dimension = 'company'
    group by change.period_grain, change.from_date, change.close_window
)

select change.period_grain, change.from_date, change.close_window, change.won_dated_in_window, lines.amount_base
from {{ ref('pipeline_change') }} as change
left join lines
    on change.period_grain = lines.period_grain and change.from_date = lines.from_date and change.close_window = lines.close_window
where change.dimension = 'company' and coalesce(lines.other_count, 0) = 0 and change.won_dated_in_window <> coalesce(lines.amount_base, 0)
