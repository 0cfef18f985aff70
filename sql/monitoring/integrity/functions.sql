-- The functions and procedures of the schema as they are: how each is called, by which the script that made the extension knows it; its
-- signature, what it runs in which language, whether with its owner's rights and under which settings; and whether it still is the
-- extension's and its owner the extension's. Catalogs only.
select function.proname::text as name, function.oid::regprocedure::text as signature, language.lanname::text as language, function.prosrc as source,
       function.prosecdef as definer, coalesce(pg_catalog.array_to_string(function.proconfig, '; '), '') as settings,
       exists (select from pg_catalog.pg_depend as member
                where member.classid = 'pg_catalog.pg_proc'::regclass and member.objid = function.oid and member.deptype = 'e'
                  and member.refclassid = 'pg_catalog.pg_extension'::regclass and member.refobjid = extension.oid) as is_member,
       pg_catalog.pg_get_userbyid(function.proowner)::text as owner, pg_catalog.pg_get_userbyid(extension.extowner)::text as wanted_owner
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_proc as function
    on function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
  join pg_catalog.pg_language as language on language.oid = function.prolang
 where extension.extname = 'raw_ops'
