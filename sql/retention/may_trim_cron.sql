-- Is pg_cron's log here, and may the current role delete its own rows from it?
select coalesce(bool_and(has_schema_privilege(schema.oid, 'usage')
                         and has_table_privilege(log.oid, 'select') and has_table_privilege(log.oid, 'delete')), false)
  from pg_catalog.pg_class as log
  join pg_catalog.pg_namespace as schema on schema.oid = log.relnamespace
 where schema.nspname = 'cron' and log.relname = 'job_run_details'
