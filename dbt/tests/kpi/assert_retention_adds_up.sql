-- I16: opening + new + expansion - contraction - churn = closing, NRR - GRR = expansion / opening, GRR = 1 - (churn + contraction) / opening;
-- what fell due was renewed on time, late, is pending or lapsed; the closing of a month is the opening of the same month a year later, per member
select month, dimension, member_key, 'does not add up' as problem
from {{ ref('retention') }}
where
    opening_arr + new_arr + expansion - contraction - churn <> closing_arr
    or abs(nrr - grr - cast(expansion as double) / nullif(cast(opening_arr as double), 0)) > 1e-9
    or abs(grr - 1 + cast(churn + contraction as double) / nullif(cast(opening_arr as double), 0)) > 1e-9
union all
select month, dimension, member_key, 'renewals do not add up'
from {{ ref('retention') }}
where
    due_arr <> renewed_on_time_arr + renewed_late_arr + pending_renewal_arr + lapsed_arr
    or least(renewed_on_time_arr, renewed_late_arr, pending_renewal_arr, lapsed_arr) < 0 or (due_arr > 0) <> (due_count > 0)
union all
select later.month, later.dimension, later.member_key, 'does not open with what it closed with a year before'
from {{ ref('retention') }} as later
left join {{ ref('retention') }} as earlier
    on later.dimension = earlier.dimension and later.member_key = earlier.member_key and later.month = cast(earlier.month + interval 12 month as date)
where later.opening_arr <> coalesce(earlier.closing_arr, 0)
