{{ config(meta={'dagster': {'ref': {'name': 'win_curve'}}}) }}
-- I09 on every day of every curve; survival never rises and incidences never fall; a curve that is not known any more stays so
select dimension, member_key, cohort_start, day, survival, cif_win, cif_loss
from (
    select
        *, row_number() over (partition by dimension, member_key, cohort_start order by day nulls last) as place,
        lag(survival) over (partition by dimension, member_key, cohort_start order by day nulls last) as survival_before,
        lag(cif_win) over (partition by dimension, member_key, cohort_start order by day nulls last) as cif_win_before
    from {{ ref('win_curve') }}
) as curves
where abs(survival + cif_win + cif_loss - 1) > 1e-9 or survival > survival_before or cif_win < cif_win_before
    or survival_low > survival or survival_high < survival
    or (survival is null) <> (cif_win is null) or (survival is null) <> (cif_loss is null) or (survival is not null and survival_before is null and place > 1)
