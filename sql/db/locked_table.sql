-- A table of this database that another session holds so that rows can neither be read nor written, ours first.
select format('%I.%I', schema.nspname, held.relname)
  from pg_locks as lock
  join pg_class as held on held.oid = lock.relation and held.relkind in ('r', 'p')
  join pg_namespace as schema on schema.oid = held.relnamespace
 where lock.locktype = 'relation'
   and lock.granted
   and lock.pid <> pg_backend_pid()
   and lock.database = (select oid from pg_database where datname = current_database())
   and lock.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
 order by schema.nspname <> 'raw_ops', held.relname
 limit 1
