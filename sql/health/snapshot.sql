-- Who holds the oldest snapshot in this database: what died since cannot be cleaned away. Backends of others show theirs
-- only to those who may see it.
select pid, usename::text, application_name, backend_type, state,
       extract(epoch from now() - xact_start)::float8 as seconds, xact_start
  from pg_catalog.pg_stat_activity
 where backend_xmin is not null
   and pid <> pg_catalog.pg_backend_pid()
   and (datname = current_database() or datname is null)
 order by age(backend_xmin) desc
 limit 1
