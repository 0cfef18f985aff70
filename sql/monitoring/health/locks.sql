-- Who keeps others from a table of raw_ops or of pg_cron. $1: something could not be read just now, so whoever locks out
-- readers is told; else only who has kept writers out for a minute. Another who waits for such a lock keeps out all who
-- come later.
select 'locks', 'critical',
       format('process %s (role %s, application %s, %s) has locked %s (%s)',
              lock.pid, coalesce(quote_ident(session.usename), 'unknown'),
              coalesce(nullif(quote_literal(session.application_name), ''''''), 'unnamed'),
              coalesce(session.state, 'state unknown'),
              string_agg(distinct lock.relation::regclass::text, ', '), string_agg(distinct lock.mode, ', ')),
       min(session.xact_start),
       array[format('SELECT pg_terminate_backend(%s);', lock.pid)]
  from pg_catalog.pg_locks as lock
  join pg_catalog.pg_class as relation on relation.oid = lock.relation
  join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
  left join pg_catalog.pg_stat_activity as session on session.pid = lock.pid
 where lock.locktype = 'relation'
   and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and schema.nspname in ('raw_ops', 'cron')
   and relation.relkind in ('r', 'p')
   and lock.pid <> pg_catalog.pg_backend_pid()
   and ($1 and lock.mode = 'AccessExclusiveLock'
        or lock.granted
           and lock.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
           and session.xact_start < clock_timestamp() - interval '1 minute')
 group by lock.pid, session.usename, session.application_name, session.state
