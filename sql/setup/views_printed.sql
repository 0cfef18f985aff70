-- The views as they stand: name, and how the server prints what they ask. $1: the names of ours.
select view.relname::text as name, pg_catalog.pg_get_viewdef(view.oid) as definition
  from pg_catalog.pg_class as view
 where view.relnamespace = 'raw_ops'::regnamespace and view.relkind = 'v' and view.relname = any ($1)
