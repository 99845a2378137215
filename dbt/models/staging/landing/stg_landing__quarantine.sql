-- grain: one row per refused row, column and reason that still stands: refusals of a file that a corrected one replaced are past
with standing as (
    select file, sheet, max(landed_at) as landed_at
    from {{ source('landing', 'spreadsheet_files') }} where (replaced_at is null or not ({{ known('replaced_at') }})) and {{ known('landed_at') }}
    group by file, sheet
)

select
    quarantine.source, quarantine.object, quarantine.file as file_name, quarantine.sheet as sheet_name, quarantine.row_number,
    coalesce(quarantine.record_id, concat_ws(' ', quarantine.file, quarantine.sheet, 'row ' || cast(quarantine.row_number as string))) as record_id,
    quarantine.column_name as field, quarantine.value, quarantine.reason, min(quarantine.landed_at) as landed_at
from {{ source('landing', 'quarantine') }} as quarantine
left join standing on quarantine.file = standing.file and coalesce(quarantine.sheet, '') = coalesce(standing.sheet, '')
where {{ known('quarantine.landed_at') }} and (quarantine.file is null or quarantine.landed_at >= standing.landed_at)
group by
    quarantine.source, quarantine.object, quarantine.file, quarantine.sheet, quarantine.row_number, quarantine.record_id, quarantine.column_name,
    quarantine.value, quarantine.reason
