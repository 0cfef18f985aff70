-- When and where the page was made. Reads no table, so it answers whatever is locked.
select to_char(now(), 'FMDy FMDD Mon YYYY, HH24:MI:SS ') || current_setting('TimeZone') as made_at,
       current_database()::text as database,
       pg_is_in_recovery() as is_replica
