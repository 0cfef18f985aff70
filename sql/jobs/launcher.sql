-- Whether pg_cron's launcher runs, and how it starts jobs. Catalogs and settings only.
select exists (select from pg_catalog.pg_stat_activity where backend_type = 'pg_cron launcher') as runs,
       coalesce(current_setting('cron.use_background_workers', true) = 'on', false) as uses_background_workers,
       coalesce(current_setting('cron.log_run', true) = 'on', false) as logs_runs
