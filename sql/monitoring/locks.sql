-- Who keeps others from a table of raw_ops or of pg_cron, by a lock that writers wait for. $1: something could not be read
-- just now, so whoever locks out readers is told at once; else who has held for five seconds or has others wait behind for
-- one. Who waits for such a lock keeps out all who come later. A prepared transaction holds its locks without a process.
with ours as (
    select relation.oid, relation.oid::regclass::text as name
      from pg_catalog.pg_class as relation
      join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
     where schema.nspname in ('raw_ops', 'cron') and relation.relkind in ('r', 'p')
), locks as materialized (
    select lock.*, ours.name,
           -- Of PostgreSQL 14 and later.
           case when not granted then (to_jsonb(lock) ->> 'waitstart')::timestamptz end as waiting_since
      from pg_catalog.pg_locks as lock
      join ours on ours.oid = lock.relation
     where lock.locktype = 'relation'
       and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
       and lock.pid is distinct from pg_catalog.pg_backend_pid()
), sessions as (
    select coalesce(leader_pid, pid) as leader, * from pg_catalog.pg_stat_activity
), waiters as (
    select waiting.relation, pg_catalog.pg_blocking_pids(waiting.pid) as behind
      from locks as waiting
      left join sessions on sessions.pid = waiting.pid
     where not waiting.granted
       and coalesce(waiting.waiting_since, sessions.query_start) < clock_timestamp() - interval '1 second'
), strong as (
    select locks.name, locks.mode, locks.granted, locks.virtualtransaction, coalesce(sessions.leader, locks.pid) as pid,
           $1 and locks.mode = 'AccessExclusiveLock'
           or exists (select from waiters where waiters.relation = locks.relation
                                            and (coalesce(locks.pid, 0) = any (waiters.behind) or sessions.leader = any (waiters.behind)))
           or case when locks.granted then sessions.xact_start else coalesce(locks.waiting_since, sessions.query_start) end
              < clock_timestamp() - interval '5 seconds' as is_told
      from locks
      left join sessions on sessions.pid = locks.pid
     where locks.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
), told as (
    select pid, granted, string_agg(distinct name, ', ') as names, string_agg(distinct mode, ', ') as modes
      from strong
     where is_told and pid is not null
     group by pid, granted
)
select 'locks' as what, 'critical' as severity,
       format(case when told.granted then 'process %s (role %s, application %s, %s, connected since %s) has locked %s (%s)%s'
                   else 'process %s (role %s, application %s, %s, connected since %s) waits to lock %s (%s), and who comes later waits behind it; it waits for %s' end,
              told.pid, coalesce(quote_ident(session.usename), 'unknown'),
              coalesce(nullif(quote_literal(session.application_name), ''''''), 'unnamed'),
              coalesce(session.state, session.backend_type, 'state unknown'),
              coalesce(to_char(session.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', 'unknown'),
              told.names, told.modes,
              case when not told.granted then array_to_string(pg_catalog.pg_blocking_pids(told.pid), ', ') end) as problem,
       case when told.granted then session.xact_start else session.query_start end as since,
       array[case when session.backend_type = 'client backend'
                  then format('SELECT %s(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;',
                              case when told.granted then 'pg_terminate_backend' else 'pg_cancel_backend' end, told.pid,
                              to_char(session.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00')
                  when session.backend_type = 'startup'
                  then '-- It replays what the primary does: look for the lock there.'
                  else format('-- Look at it before you end it (%s): SELECT pg_terminate_backend(%s);',
                              coalesce(session.backend_type, 'of another role'), told.pid) end] as next,
       -- Whose rights it takes to end it.
       case when session.backend_type = 'client backend' then array[session.usename::text] end as roles
  from told
  left join sessions as session on session.pid = told.pid
 union all
select 'locks', 'critical',
       format('the prepared transaction %L of %I has locked %s (%s), and nobody is there to end it', prepared.gid, prepared.owner,
              string_agg(distinct strong.name, ', '), string_agg(distinct strong.mode, ', ')),
       prepared.prepared,
       array[format('-- COMMIT PREPARED %L; keeps what it has done, ROLLBACK PREPARED %L; discards it: ask who prepared it.',
                    prepared.gid, prepared.gid)],
       null::text[]
  from pg_catalog.pg_prepared_xacts as prepared
  -- Its locks bear the number of the session that prepared it, as the one on its own transaction does.
  join pg_catalog.pg_locks as own on own.locktype = 'transactionid' and own.transactionid = prepared.transaction and own.granted
  join strong on strong.pid is null and strong.virtualtransaction = own.virtualtransaction
 where strong.is_told or prepared.prepared < clock_timestamp() - interval '5 seconds'
 group by prepared.gid, prepared.owner, prepared.prepared
