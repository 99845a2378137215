-- I06: every week has the open deals of its snapshot day, each once
select threads.snapshot_date
from (select snapshot_date, count(*) as deal_count from {{ ref('threading') }} group by snapshot_date) as threads
full join (select snapshot_date, open_count from {{ ref('pipeline_open') }} where dimension = 'company') as stock on threads.snapshot_date = stock.snapshot_date
where threads.deal_count is distinct from stock.open_count and threads.snapshot_date is not null
