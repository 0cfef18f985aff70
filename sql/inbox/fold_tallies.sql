-- Tallies into totals, in one statement: whoever adds both up sees each count once, in the one or in the other.
-- In the order of the providers and shops, so that two folds wait for each other instead of deadlocking.
with counted as (
    delete from raw_ops.webhook_tallies
     where ctid = any (array(
               select ctid from raw_ops.webhook_tallies limit $1 for update skip locked))
    returning provider, shop_domain, processed, failed, duration_ms, duplicates
), folded as (
    insert into raw_ops.webhook_totals as total (provider, shop_domain, processed, failed, duration_ms, duplicates)
    select provider, shop_domain, sum(processed), sum(failed), sum(duration_ms), sum(duplicates)
      from counted
     group by provider, shop_domain
     order by provider, shop_domain
        on conflict (provider, shop_domain) do update
       set processed = total.processed + excluded.processed,
           failed = total.failed + excluded.failed,
           duration_ms = total.duration_ms + excluded.duration_ms,
           duplicates = total.duplicates + excluded.duplicates
)
select count(*) from counted
