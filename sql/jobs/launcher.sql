-- Whether pg_cron's launcher runs, and how it starts jobs. Who may not read its settings takes their defaults. Catalogs and settings
-- only.
with reader as (
    select pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage') as may
)
select exists (select from pg_catalog.pg_stat_activity where backend_type = 'pg_cron launcher') as runs,
       coalesce(case when reader.may then current_setting('cron.use_background_workers', true) end = 'on', false)
           as uses_background_workers,
       coalesce(case when reader.may then current_setting('cron.log_run', true) end = 'on', true) as logs_runs
  from reader
