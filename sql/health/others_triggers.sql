-- BEFORE triggers for each row of the inbox that are not ours: by returning null such a one swallows what is to be written.
-- What it says of each, and whether it may do that to what is stored: the source of a language that shows it says so.
-- The last two columns: whether it may swallow, its name. Catalogs only.
select 'triggers' as what, 'info' as severity,
       format('the trigger %I on raw_ops.webhook_inbox is not of setup(): before each row it calls %s, which can change or swallow it',
              trig.tgname, function.oid::regprocedure) as problem,
       null::timestamptz as since,
       array[format('SELECT pg_get_functiondef(%L::regprocedure);', function.oid::regprocedure)] as next,
       null::text[] as roles,
       -- 4: INSERT.
       trig.tgtype & 4 > 0 and (language.lanname not in ('plpgsql', 'sql') or function.prosrc ~* 'return\s+null') as may_swallow,
       trig.tgname::text as name
  from pg_catalog.pg_trigger as trig
  join pg_catalog.pg_proc as function on function.oid = trig.tgfoid
  join pg_catalog.pg_language as language on language.oid = function.prolang
 where trig.tgrelid = (select relation.oid
                         from pg_catalog.pg_class as relation
                         join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
                        where schema.nspname = 'raw_ops' and relation.relname = 'webhook_inbox')
   and not trig.tgisinternal
   and trig.tgenabled in ('O', 'A')
   -- 1: for each row; 2: before.
   and trig.tgtype & 3 = 3
   and not exists (select from pg_catalog.pg_depend as member
                    where member.classid = 'pg_catalog.pg_proc'::regclass and member.objid = function.oid
                      and member.deptype = 'e'
                      and member.refobjid = (select oid from pg_catalog.pg_extension where extname = 'raw_ops'))
 order by trig.tgname
