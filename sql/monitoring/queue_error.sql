-- What most of the webhooks that failed and wait have run into; a constraint it names that setup() has not made.
with failed as (
    select error_category as category, last_error as error, count(*) as webhooks
      from raw_ops.webhook_inbox
     where processing_status in ('failed', 'retrying')
       and last_error is not null
     group by 1, 2
     order by 3 desc, 2
     limit 1
)
select failed.error, named.table_name as constraint_table, named.name as constraint_name
  from failed
  left join lateral (
       select con.conrelid::regclass::text as table_name, pg_catalog.quote_ident(con.conname) as name
         from pg_catalog.pg_constraint as con
         join pg_catalog.pg_class as relation on relation.oid = con.conrelid
        where relation.relnamespace = 'raw_ops'::regnamespace
          and pg_catalog.strpos(failed.error, con.conname) > 0
          and not exists (select from raw_ops.schema_objects as ours
                           where ours.table_name = relation.relname and ours.name = con.conname)
        order by length(con.conname) desc
        limit 1) as named on failed.category = 'constraint_violation'
