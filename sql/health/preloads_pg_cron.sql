-- Null where the role may not know.
select case when pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage')
            then pg_catalog.current_setting('shared_preload_libraries') ~ '(^|[ ,"/])pg_cron' end
