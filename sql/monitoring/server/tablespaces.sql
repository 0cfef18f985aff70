-- Tablespaces beside the server's own in which something of ours stands: how each is called, and its place in the data
-- directory. Catalogs only.
select distinct 'the tablespace ' || place.spcname as name, 'pg_tblspc/' || place.oid as path
  from pg_catalog.pg_tablespace as place
 where place.spcname not in ('pg_default', 'pg_global')
   and (place.oid = (select dattablespace from pg_catalog.pg_database where datname = pg_catalog.current_database())
        or place.oid in (select reltablespace from pg_catalog.pg_class
                          where relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')))
 order by 1
