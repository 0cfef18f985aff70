-- When and where the page was made. Reads no table, so it answers whatever is locked.
select to_char(now() at time zone 'UTC', 'FMDy FMDD Mon YYYY, HH24:MI:SS') || ' UTC' as made_at,
       current_database()::text as database,
       pg_is_in_recovery() as is_replica
