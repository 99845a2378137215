{{ config(materialized=intermediate()) }}
-- grain: one row per period (recent, previous, both), dimension and member with a fact: the parts of M28 and what they make
-- value = CIF_win(180) x mean ACV x min(5, 1 / (1 - GRR)), NULL where a part is, or stands on fewer than 10 deals or customers: log_value with the
-- variance of the logarithm is there all the same, for the interval. Parts are taken as independent; GRR is a share of yearly value, so its Wilson
-- interval is that of as many customers as would weigh alike, and the factor's variance is read off the factor at both of its ends.
{%- set keys = ['period', 'dimension', 'member'] %}
{%- set measures = ['kind', 'day', 'entry_days', 'won', 'lost', 'still_open', 'decided_won', 'acv', 'won_days', 'margin_weight', 'margin', 'opening', 'kept'] %}
with periods as (
    select * from {{ text_rows([['recent', 'recent'], ['previous', 'previous'], ['both', 'recent'], ['both', 'previous']], ['period', 'held']) }} as periods
),

facts as (
    select * from {{ ref('int_kpi__profile_facts') }}
),

-- what was true of a company and known of it when the fact's deal was made or won; of these it may have had several, each a member
traits as (
    select distinct moments.company_key, moments.moment_at, traits.dimension, traits.member
    from (select distinct company_key, moment_at from facts) as moments
    inner join {{ ref('int_kpi__company_traits') }} as traits on moments.company_key = traits.company_key
        and moments.moment_at >= traits.known_true_from and (moments.moment_at < traits.true_to or traits.true_to is null)
),

cells as (
    select * from {{ profile_cells('facts', ['period as held'] + measures) }} as cells
    union all
    select dimensions.dimension, coalesce(traits.member, 'unknown'), traits.member is not null, facts.period, facts.{{ measures | join(', facts.') }}
    from facts
    cross join (select distinct dimension from {{ ref('int_kpi__company_traits') }}) as dimensions
    left join traits on facts.company_key = traits.company_key and facts.moment_at = traits.moment_at and dimensions.dimension = traits.dimension
),

members as (
    select cells.*, periods.period
    from cells
    inner join periods on cells.held = periods.held
),

days as (
    select {{ keys | join(', ') }}, day, sum(won) as won_count, sum(lost) as lost_count, sum(still_open) as open_count, sum(is_late) as late_count
    from (
        select {{ keys | join(', ') }}, day, won, lost, still_open, 0 as is_late from members where kind = 'accepted'
        union all
        select {{ keys | join(', ') }}, entry_days, 0, 0, 0, 1 from members where kind = 'accepted' and day is not null and entry_days > 0
    ) as moments
    group by {{ keys | join(', ') }}, day
),

curves as (
    select * from {{ competing_risks('days', keys) }} as curves
),

chances as (
    select * from {{ cif_win_by('curves', keys, 180) }} as chances
),

summed as (
    select
        {{ keys | join(', ') }}, min(case when is_known then 1 else 0 end) = 1 as is_known,
        count(*) filter (where kind = 'accepted') as accepted_count, sum(won) as won_count, sum(lost) as lost_count, sum(still_open) as open_count,
        count(*) filter (where kind = 'decided') as decided_count, sum(decided_won) as decided_won_count,
        count(acv) as acv_count, sum(acv) / nullif(cast(count(acv) as double), 0) as acv_mean, {{ median_of('acv', 'true') }} as acv_median,
        stddev_samp(cast(acv as double)) as acv_deviation, {{ median_of('won_days', 'true') }} as won_days_median,
        count(margin) as margin_count, sum(margin) / nullif(sum(margin_weight), 0) as margin_share,
        count(opening) as customer_count, sum(opening) as opening, sum(kept) / nullif(sum(opening), 0) as grr,
        coalesce(sum(opening) * sum(opening) / nullif(sum(opening * opening), 0), 0) as even_count
    from members
    group by {{ keys | join(', ') }}
),

bounded as (
    select
        *, {{ wilson('grr * even_count', 'even_count', -1) }} as grr_low, {{ wilson('grr * even_count', 'even_count', 1) }} as grr_high
    from summed
),

parts as (
    select
        bounded.*, chances.cif, chances.variance as cif_variance,
        {%- for end in ['', '_low', '_high'] %}
        case when grr{{ end }} is not null then round((1 / (1 - least(grr{{ end }}, cast(0.8 as double)))) * 1e9) / 1e9 end as factor{{ end }}{{ ',' if not loop.last }}
        {%- endfor %}
    from bounded
    left join chances on bounded.period = chances.period and bounded.dimension = chances.dimension and bounded.member = chances.member
)

select
    *,
    case when accepted_count >= 10 and acv_count >= 10 and customer_count >= 10 then round((cif * acv_mean * factor) * 1e6) / 1e6 end as value_before_margin,
    case when cif > 0 and acv_mean > 0 then ln(cif * acv_mean * factor) end as log_value,
    case when cif > 0 and acv_mean > 0 then
        cif_variance / (cif * cif) + acv_deviation * acv_deviation / nullif(acv_count * acv_mean * acv_mean, 0)
        + power((ln(factor_high) - ln(factor_low)) / (2 * 1.959964), 2)
    end as log_variance
from parts
