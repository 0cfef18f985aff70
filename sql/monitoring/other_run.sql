-- Who runs this check just now: the process that holds its advisory lock, whose key pg_locks shows in two halves.
select lock.pid
  from pg_catalog.pg_locks as lock
 cross join (select pg_catalog.hashtextextended('raw_ops monitor ' || $1, 0) as key) as wanted
 where lock.locktype = 'advisory' and lock.granted and lock.objsubid = 1
   and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
   and lock.classid::bigint = (wanted.key >> 32) & 4294967295
   and lock.objid::bigint = wanted.key & 4294967295
   and lock.pid <> pg_catalog.pg_backend_pid()
