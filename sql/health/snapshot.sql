-- Who holds the oldest snapshot in this database: what died since cannot be cleaned away. Backends of others show theirs
-- only to those who may see it. What ends it names the very session, and a backup is not ended by pasting.
select pid, usename::text, application_name, state, extract(epoch from now() - xact_start)::float8 as seconds, xact_start,
       case when backend_type = 'client backend' and application_name !~ '^(pg_dump|pg_dumpall|pg_basebackup)'
            then format('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;', pid,
                        to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00')
            else format('-- It is %s: better let it finish than end it: SELECT pg_terminate_backend(%s);',
                        case when application_name ~ '^pg_(dump|basebackup)' then 'a backup (' || application_name || ')'
                             else coalesce('a ' || backend_type, 'of another role') end, pid) end as end_it
  from pg_catalog.pg_stat_activity
 where backend_xmin is not null
   and pid <> pg_catalog.pg_backend_pid()
   and (datname = current_database() or datname is null)
 order by age(backend_xmin) desc
 limit 1
