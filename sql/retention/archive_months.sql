-- The months (UTC) of the next webhooks to be archived, oldest first: from and to, the partition's name, where its
-- rows go now, and if it has no partition the statements that make it. $1 created before, $2 how many,
-- $3 sql/retention/archive_partition.sql.
with next as (
    (select created_at from raw_ops.webhook_inbox
      where processing_status = 'resolved_manual' and created_at < $1 order by created_at limit $2)
    union all
    (select created_at from raw_ops.webhook_inbox
      where processing_status = 'success' and created_at < $1 order by created_at limit $2)
), months as (
    select first_day, first_day + interval '1 month' as next_first_day,
           to_char(first_day, '"webhook_inbox_archive_y"YYYY"m"MM') as name
      from (select distinct date_trunc('month', created_at at time zone 'UTC') as first_day from next) as days
), archive as (
    select whole.partrelid as oid,
           coalesce(nullif(whole.partdefid, 0), whole.partrelid)::regclass as strays,
           (select string_agg(quote_ident(attname), ', ' order by attnum)
              from pg_catalog.pg_attribute
             where attrelid = whole.partrelid and attnum > 0 and not attisdropped and attgenerated = '') as columns
      from pg_catalog.pg_partitioned_table as whole
     where whole.partrelid = 'raw_ops.webhook_inbox_archive'::regclass
)
select months.first_day at time zone 'UTC' as since,
       months.next_first_day at time zone 'UTC' as until,
       months.name,
       coalesce(partition.inhrelid::regclass, archive.strays)::text as target,
       case when known.oid is null
            then format($3, months.name,
                        to_char(months.first_day, 'YYYY-MM-DD"T00:00:00Z"'),
                        to_char(months.next_first_day, 'YYYY-MM-DD"T00:00:00Z"'),
                        archive.columns, archive.strays,
                        to_char(months.first_day, '"Archived webhooks of "YYYY-MM" (UTC)."'))
       end as make
  from months
 cross join archive
  left join pg_catalog.pg_class as known on known.relnamespace = 'raw_ops'::regnamespace and known.relname = months.name
  left join pg_catalog.pg_inherits as partition on partition.inhrelid = known.oid and partition.inhparent = archive.oid
 order by months.first_day
