-- What a role ($1) lacks to send with pg_net, as the statements that give it, and whose rights those take. Catalogs only.
with net as (
    select schema.oid as schema, schema.nspowner,
           (select oid from pg_catalog.pg_class where relnamespace = schema.oid and relname = 'http_request_queue') as queue,
           (select oid from pg_catalog.pg_class where relnamespace = schema.oid and relname = '_http_response') as response,
           (select oid from pg_catalog.pg_class where relnamespace = schema.oid and relname = 'http_request_queue_id_seq') as ids
      from pg_catalog.pg_namespace as schema
     where schema.nspname = 'net'
), lacking as (
    select pg_catalog.array_remove(array[
               case when not has_schema_privilege($1, schema, 'usage') then pg_catalog.format('GRANT USAGE ON SCHEMA net TO %I;', $1) end,
               case when not (has_table_privilege($1, queue, 'select') and has_table_privilege($1, queue, 'insert')
                              and has_table_privilege($1, queue, 'delete') and has_table_privilege($1, response, 'select')
                              and has_table_privilege($1, response, 'delete') and has_sequence_privilege($1, ids, 'usage'))
                    then pg_catalog.format('GRANT ALL ON net.http_request_queue, net._http_response, net.http_request_queue_id_seq TO %I;', $1) end,
               case when exists (select from pg_catalog.pg_proc as function
                                  where function.pronamespace = schema and function.proname = 'http_post'
                                    and not has_function_privilege($1, function.oid, 'execute'))
                    then pg_catalog.format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA net TO %I;', $1) end], null) as statements,
           pg_catalog.pg_get_userbyid(nspowner)::text as granter
      from net
)
select statement, granter from lacking, pg_catalog.unnest(statements) as statement
