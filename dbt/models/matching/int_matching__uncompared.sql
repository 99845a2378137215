-- grain: one row per kind of key that too many records share to be compared pair by pair, and one, `all keys`, for the records that were compared with nobody
select thing, kind, value_count, record_count from {{ matching_results() }} where result = 'uncompared'
