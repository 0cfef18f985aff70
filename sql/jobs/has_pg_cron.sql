-- Whether pg_cron is installed, and cron.job is its own table: more is read from it than its reader may see.
select exists (select from pg_catalog.pg_extension extension
                 join pg_catalog.pg_depend member
                   on member.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and member.refobjid = extension.oid
                  and member.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and member.deptype = 'e'
                where extension.extname = 'pg_cron' and member.objid = pg_catalog.to_regclass('cron.job'))
