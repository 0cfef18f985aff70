-- $1 keys in order, $2 whether alone. Whoever stores an element that waits holds its key alone, from before the last look
-- for what it waits for; whoever brings that holds the same key together with others of their kind, from before the look for
-- what waits. So one of the two sees the other.
select case when $2 then pg_catalog.pg_advisory_xact_lock(key) else pg_catalog.pg_advisory_xact_lock_shared(key) end
  from unnest($1) as key
