{{ config(materialized='table', schema='forecasts', database=('warehouse' if target.type == 'duckdb' else none)) }}
-- grain: one row per snapshot day, dimension (company, team) and member with a target in the fiscal quarter that holds the day
select
    cast(snapshot_date as date) as snapshot_date,
    cast(dimension as string) as dimension,
    cast(member_key as string) as member_key,
    cast(target_base as decimal(18, 2)) as target_base
from {{ ref('int_kpi__snapshot_targets') }}
where dimension in ('company', 'team')
