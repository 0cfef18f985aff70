-- Whether pg_cron's list of jobs and its log of runs are its own tables: they are read with more rights than their reader has.
select count(*) = 2
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_depend as member
    on member.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and member.refobjid = extension.oid
   and member.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and member.deptype = 'e'
 where extension.extname = 'pg_cron'
   and member.objid in (pg_catalog.to_regclass('cron.job'), pg_catalog.to_regclass('cron.job_run_details'))
