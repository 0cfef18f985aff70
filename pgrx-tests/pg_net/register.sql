-- Makes what the script beside this created an extension named pg_net, without a file in the server's directories: a
-- real pg_net that is installed there is not touched, and nothing is left behind.
set local allow_system_table_mods = on;

insert into pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
select pg_nextoid('pg_catalog.pg_extension', 'oid', 'pg_catalog.pg_extension_oid_index'),
       'pg_net', (select oid from pg_roles where rolname = current_user), 'public'::regnamespace, false, '0.20.5';

alter extension pg_net add schema net;
alter extension pg_net add domain net.http_method;
alter extension pg_net add table net.http_request_queue;
alter extension pg_net add sequence net.http_request_queue_id_seq;
alter extension pg_net add table net._http_response;

do $$
declare
    member regprocedure;
begin
    for member in select oid from pg_proc where pronamespace = 'net'::regnamespace loop
        execute format('alter extension pg_net add function %s', member);
    end loop;
end
$$;
