-- Whether the current role may look at pg_cron's jobs; no row where pg_cron is not installed. Catalogs only.
select has_schema_privilege(schema.oid, 'usage') and has_table_privilege(job.oid, 'select')
  from pg_catalog.pg_class as job
  join pg_catalog.pg_namespace as schema on schema.oid = job.relnamespace
 where schema.nspname = 'cron' and job.relname = 'job'
