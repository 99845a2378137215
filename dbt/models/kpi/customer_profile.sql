-- grain: one row per dimension (one part, or two joined by ' x ') and member with a fact in the last eight finished fiscal quarters
-- M28: whom it pays to sell to. Conversion is by the attributes at creation, contracts and retention by those at win. Two parts together only with 10
-- accepted deals. value_before_margin_per_sao = CIF_win(180) x mean ACV x min(5, 1 / (1 - GRR)); value_per_sao = that x margin. The cells are many,
-- so a good one is no news: named only if it is above the company in the last four quarters and in the four before, and its difference is not
-- noise after Benjamini-Hochberg at 10 % over all cells looked at (S8): those with a value in both periods and no unknown part. The company holds
-- the cell, so that their difference varies less than the cell alone, whose variance is taken: on the safe side.
with pairs as (
    select
        cells.*, recent.accepted_count as recent_accepted_count, previous.accepted_count as previous_accepted_count,
        recent.value_before_margin as recent_value, previous.value_before_margin as previous_value
    from {{ ref('int_kpi__profile_values') }} as cells
    left join {{ ref('int_kpi__profile_values') }} as recent
        on cells.dimension = recent.dimension and cells.member = recent.member and recent.period = 'recent'
    left join {{ ref('int_kpi__profile_values') }} as previous
        on cells.dimension = previous.dimension and cells.member = previous.member and previous.period = 'previous'
    where cells.period = 'both' and (cells.dimension not like '% x %' or cells.accepted_count >= 10)
),

compared as (
    select
        pairs.*,
        pairs.recent_value > company.recent_value and pairs.previous_value > company.previous_value as is_above_twice,
        case
            when pairs.dimension <> 'company' and pairs.is_known and pairs.value_before_margin is not null
                and pairs.recent_value is not null and pairs.previous_value is not null and pairs.log_variance > 0
                then {{ two_sided_p('((pairs.log_value - company.log_value) / sqrt(pairs.log_variance))') }}
        end as p
    from pairs
    left join pairs as company on company.dimension = 'company'
),

judged as (
    select dimension, member, adjusted_p from {{ benjamini_hochberg('compared', 'p') }} as ranked
),

looked_at as (
    select count(*) as looked_at_count from compared where p is not null
)

select
    cast(compared.dimension as string) as dimension,
    cast(compared.member as string) as member_key,
    cast(compared.member as string) as member,
    cast(compared.accepted_count as bigint) as accepted_count,
    cast(compared.won_count as bigint) as won_count,
    cast(compared.lost_count as bigint) as lost_count,
    cast(compared.open_count as bigint) as open_count,
    cast(compared.cif as double) as cif_win_180,
    cast({{ greenwood('compared.cif', '(compared.cif_variance / nullif(compared.cif * compared.cif, 0))', 1) }} as double) as cif_win_180_low,
    cast({{ greenwood('compared.cif', '(compared.cif_variance / nullif(compared.cif * compared.cif, 0))', -1) }} as double) as cif_win_180_high,
    cast(compared.decided_count as bigint) as decided_count,
    cast(compared.decided_won_count / nullif(cast(compared.decided_count as double), 0) as double) as win_rate,
    cast({{ wilson('compared.decided_won_count', 'compared.decided_count', -1) }} as double) as win_rate_low,
    cast({{ wilson('compared.decided_won_count', 'compared.decided_count', 1) }} as double) as win_rate_high,
    cast(compared.acv_count as bigint) as acv_count,
    {{ to_money('compared.acv_mean') }} as acv_mean,
    {{ to_money('compared.acv_median') }} as acv_median,
    cast(compared.won_days_median as double) as won_days_median,
    cast(compared.customer_count as bigint) as customer_year_count,
    cast(compared.opening as decimal(18, 2)) as opening_arr,
    cast(round(compared.grr * 1e12) / 1e12 as double) as grr,
    cast(compared.grr_low as double) as grr_low,
    cast(compared.grr_high as double) as grr_high,
    cast(compared.margin_count as bigint) as margin_count,
    cast(round(compared.margin_share * 1e6) / 1e6 as double) as margin_share,
    {{ to_money('compared.value_before_margin') }} as value_before_margin_per_sao,
    {{ to_money('exp(compared.log_value - 1.959964 * sqrt(compared.log_variance))') }} as value_before_margin_low,
    {{ to_money('exp(compared.log_value + 1.959964 * sqrt(compared.log_variance))') }} as value_before_margin_high,
    {{ to_money('case when compared.margin_count >= 10 then compared.value_before_margin * compared.margin_share end') }} as value_per_sao,
    cast(coalesce(compared.recent_accepted_count, 0) as bigint) as recent_accepted_count,
    {{ to_money('compared.recent_value') }} as recent_value_before_margin_per_sao,
    cast(coalesce(compared.previous_accepted_count, 0) as bigint) as previous_accepted_count,
    {{ to_money('compared.previous_value') }} as previous_value_before_margin_per_sao,
    cast(looked_at.looked_at_count as bigint) as looked_at_count,
    cast(round(compared.p * 1e9) / 1e9 as double) as p_value,
    cast(judged.adjusted_p as double) as adjusted_p_value,
    cast(coalesce(judged.adjusted_p <= 0.1 and compared.is_above_twice, false) as boolean) as is_named
from compared
cross join looked_at
left join judged on compared.dimension = judged.dimension and compared.member = judged.member
