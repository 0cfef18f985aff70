-- The columns that inbox and archive have in common; after sql/retention/archive_added_columns.sql that is all of the inbox's.
select string_agg(quote_ident(ours.attname), ', ' order by ours.attnum)
  from pg_catalog.pg_attribute as ours
  join pg_catalog.pg_attribute as archived
    on archived.attrelid = 'raw_ops.webhook_inbox_archive'::regclass
   and archived.attname = ours.attname and not archived.attisdropped and archived.attgenerated = ''
 where ours.attrelid = 'raw_ops.webhook_inbox'::regclass and ours.attnum > 0 and not ours.attisdropped
