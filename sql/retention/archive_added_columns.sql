-- Columns that an owner added to the inbox and the archive lacks: name, and the statement that adds it there.
select added.attname::text as name,
       format('alter table raw_ops.webhook_inbox_archive add column if not exists %I %s%s', added.attname,
              format_type(added.atttypid, added.atttypmod),
              (select format(' collate %I.%I', namespace.nspname, collation_.collname)
                 from pg_catalog.pg_collation as collation_
                 join pg_catalog.pg_namespace as namespace on namespace.oid = collation_.collnamespace
                where collation_.oid = added.attcollation and collation_.collname <> 'default')) as statement
  from pg_catalog.pg_attribute as added
 where added.attrelid = 'raw_ops.webhook_inbox'::regclass and added.attnum > 0 and not added.attisdropped
   and not exists (
       select from pg_catalog.pg_attribute as known
        where known.attrelid = 'raw_ops.webhook_inbox_archive'::regclass
          and known.attname = added.attname and not known.attisdropped)
 order by added.attnum
