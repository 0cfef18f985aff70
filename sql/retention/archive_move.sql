-- One batch from the inbox to a partition of the archive, in one statement: no row is ever in neither or in both.
-- A template for format(): 1 the columns, 2 the partition. $1 created before, $2 how many, $3 and $4 the partition's
-- bounds. Oldest first; whatever somebody else holds is left for the next time.
with resolved as materialized (
    select id from raw_ops.webhook_inbox
     where processing_status = 'resolved_manual' and created_at < least($1, $4) and created_at >= $3
     order by created_at
     limit $2
       for update skip locked
), succeeded as materialized (
    select id from raw_ops.webhook_inbox
     where processing_status = 'success' and created_at < least($1, $4) and created_at >= $3
     order by created_at
     limit $2 - (select count(*) from resolved)
       for update skip locked
), moved as (
    delete from raw_ops.webhook_inbox
     where id in (select id from resolved union all select id from succeeded)
    returning %1$s
), archived as (
    insert into %2$s as archive (%1$s)
    select %1$s from moved
    -- Somebody has copied it by hand and not deleted it here yet; repeats counted since are kept.
        on conflict (id, created_at) do update
       set duplicate_count = greatest(archive.duplicate_count, excluded.duplicate_count)
    returning created_at
)
select count(*), to_jsonb(min(created_at)) #>> '{}' as oldest, to_jsonb(max(created_at)) #>> '{}' as newest
  from archived
