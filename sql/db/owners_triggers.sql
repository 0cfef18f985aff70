-- The trigger functions on our tables that are not ours and have no search_path of their own: each with the statement that
-- gives it one.
select format('ALTER FUNCTION %s SET search_path = %I, pg_catalog, pg_temp;', function.oid::regprocedure, schema.nspname)
  from pg_class tab
  join pg_trigger trig on trig.tgrelid = tab.oid and not trig.tgisinternal
  join pg_proc function on function.oid = trig.tgfoid
  join pg_namespace schema on schema.oid = function.pronamespace
 where tab.relnamespace = 'raw_ops'::regnamespace
   and not exists (select from unnest(function.proconfig) setting where setting like 'search_path=%')
 group by function.oid, schema.nspname
 order by 1
