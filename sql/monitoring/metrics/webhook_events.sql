-- By provider ($1 all their names): processed, failed, duplicates. Totals and tallies in one statement, so that a fold in between is not seen.
select provider.name as provider, coalesce(sum(count.processed), 0)::text as processed,
       coalesce(sum(count.failed), 0)::text as failed, coalesce(sum(count.duplicates), 0)::text as duplicates
  from unnest($1) with ordinality as provider (name, position)
  left join (select provider, processed, failed, duplicates from raw_ops.webhook_totals
             union all
             select provider, processed, failed, duplicates from raw_ops.webhook_tallies) as count
    on count.provider = provider.name
 group by provider.name, provider.position
 order by provider.position
