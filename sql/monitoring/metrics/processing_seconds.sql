-- A summary: quantiles of the newest 10,000 successes of the last hour, sum and count of all attempts ever.
with recent as (
    select processing_duration_ms
      from raw_ops.webhook_inbox
     where processing_status = 'success' and created_at > now() - interval '1 hour'
     order by created_at desc
     limit 10000
), quantiles as (
    select percentile_disc(array[0.5, 0.95, 1]) within group (order by processing_duration_ms) as ms from recent
), ever as (
    select sum(duration_ms) as ms, sum(processed + failed) as attempts
      from (select duration_ms, processed, failed from raw_ops.webhook_totals
            union all
            select duration_ms, processed, failed from raw_ops.webhook_tallies) as count
)
select quantile.name as quantile, coalesce((quantiles.ms[quantile.position] / 1000.0)::float8, 'NaN')::text as seconds
  from quantiles
 cross join unnest(array['0.5', '0.95', '1']) with ordinality as quantile (name, position)
union all
select 'sum', coalesce(ms / 1000.0, 0)::float8::text from ever
union all
select 'count', coalesce(attempts, 0)::text from ever
