{# S4, value-weighted rates: the 95 % interval of sum(part) / sum(whole) by `keys` (low, high), where one large row can decide the ratio.
   Rows are resampled 200 times with Poisson(1) weights; percentiles of the 200 ratios. The seed is fixed: `lot` is what bootstrap_lot gives for a
   row, and the weight of a lot and replicate is read off a hash too, so both engines draw alike. Few rows are a lot each (4,096 of them); a group
   of more than 256 is resampled in 256 random lots: the same variance in expectation, and work that does not grow with the rows.
   NULL for fewer than 10 rows with a whole, and where all replicates agree: resampling cannot show what was never seen. #}
{% macro bootstrap_ratio(facts, keys, lot, part, whole) -%}
    {%- set by_keys = keys | join(', ') -%}
    {#- 16 bits of a hash from which on Poisson(1) is 1, 2, ...: its cumulated probabilities x 65,536 -#}
    {%- set limits = ['5e2d', 'bc5b', 'eb71', 'fb24', 'ff10', 'ffd9', 'fffb'] -%}
    (
        with fine as (
            select {{ by_keys }}, {{ lot }} as lot, sum({{ part }}) as part, sum({{ whole }}) as whole, count(*) as row_count
            from {{ facts }}
            where {{ whole }} is not null
            group by {{ by_keys }}, {{ lot }}
        ),

        lots as (
            select {{ by_keys }}, case when group_count > 256 then substring(lot, 1, 2) else lot end as lot, sum(part) as part, sum(whole) as whole
            from (select *, sum(row_count) over (partition by {{ by_keys }}) as group_count from fine) as sized
            where group_count >= 10
            group by {{ by_keys }}, case when group_count > 256 then substring(lot, 1, 2) else lot end
        ),

        draws as (
            select
                names.lot, blocks.x * 8 + slices.x as replicate,
                substring(md5(names.lot || ':' || cast(blocks.x as string)), cast(slices.x * 4 + 1 as int), 4) as draw
            from (select distinct lot from lots) as names
            cross join range(0, 25) as blocks(x)
            cross join range(0, 8) as slices(x)
        ),

        weights as (
            select
                lot, replicate,
                {%- for limit in limits %}
                case when draw >= '{{ limit }}' then 1 else 0 end{{ ' +' if not loop.last }}
                {%- endfor %} as weight
            from draws
        ),

        replicates as (
            select
                {{ by_keys }}, weights.replicate,
                sum(cast(lots.part as double) * weights.weight) / nullif(sum(cast(lots.whole as double) * weights.weight), 0) as ratio
            from lots
            inner join weights on lots.lot = weights.lot and weights.weight > 0
            group by {{ by_keys }}, weights.replicate
        ),

        percentiles as (
            select
                {{ by_keys }}, round(percentile_cont(0.025) within group (order by ratio) * 1e9) / 1e9 as low,
                round(percentile_cont(0.975) within group (order by ratio) * 1e9) / 1e9 as high
            from replicates
            group by {{ by_keys }}
        )

        select {{ by_keys }}, case when low < high then low end as low, case when low < high then high end as high
        from percentiles
    )
{%- endmacro %}

{# The lot of a row: the first bits of the hash of its key. #}
{% macro bootstrap_lot(key) -%}substring(md5({{ key }}), 1, 3){%- endmacro %}
