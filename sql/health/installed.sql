-- What is installed, and whether this is a standby. Catalogs only.
select (select extversion from pg_catalog.pg_extension where extname = 'raw_ops') as extension,
       exists (select from pg_catalog.pg_extension where extname = 'pg_cron') as has_pg_cron,
       exists (select from pg_catalog.pg_extension where extname = 'pg_net') as has_pg_net,
       pg_catalog.pg_is_in_recovery() as is_replica
