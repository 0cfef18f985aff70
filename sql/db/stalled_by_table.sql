-- The table that stands behind a wait for a row: whoever holds the row waits for it (a session with locks on tables of ours
-- that waits for a whole table), or it is one of ours that a third session keeps from being written.
(select format('%I.%I', schema.nspname, awaited.relname)
   from pg_locks as wait
   join pg_class as awaited on awaited.oid = wait.relation and awaited.relkind in ('r', 'p')
   join pg_namespace as schema on schema.oid = awaited.relnamespace
  where wait.locktype = 'relation'
    and not wait.granted
    and wait.pid <> pg_backend_pid()
    and wait.database = (select oid from pg_database where datname = current_database())
    and exists (select
                  from pg_locks as held
                  join pg_class as ours on ours.oid = held.relation
                 where held.pid = wait.pid
                   and held.granted
                   and held.locktype = 'relation'
                   and held.database = wait.database
                   and held.mode in ('RowShareLock', 'RowExclusiveLock')
                   and ours.relnamespace = 'raw_ops'::regnamespace)
  limit 1)
union all
(select format('%I.%I', 'raw_ops', held.relname)
   from pg_locks as lock
   join pg_class as held
     on held.oid = lock.relation and held.relkind in ('r', 'p') and held.relnamespace = 'raw_ops'::regnamespace
  where lock.locktype = 'relation'
    and lock.granted
    and lock.pid <> pg_backend_pid()
    and lock.database = (select oid from pg_database where datname = current_database())
    and lock.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  limit 1)
 limit 1
