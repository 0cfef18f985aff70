-- A look-alike of everything in pg_catalog, in the schema `bait` names: functions, aggregates, operators, types, tables.
-- Whichever of them is used leaves its mark in trap.hits, which no rollback takes back, and then fails.
create schema if not exists trap;
create sequence if not exists trap.hits;
create table if not exists trap.made (bait text, what text, how_many bigint);
create or replace function trap.sprung() returns boolean language plpgsql volatile as $$
begin
    perform pg_catalog.nextval('trap.hits'::pg_catalog.regclass);
    raise exception 'a look-alike was used';
end $$;
grant usage on schema trap to public;
grant usage, select on sequence trap.hits to public;

create or replace procedure trap.lay(bait text) language plpgsql as $lay$
declare
    original record;
    body constant text := 'language plpgsql volatile as $$ begin perform trap.sprung(); return null; end $$';
    made bigint;
begin
    made := 0;
    for original in
        select p.oid, p.proname, p.prokind, p.provariadic, p.proretset, p.pronargs,
               array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a (t, i) order by i) as arguments,
               pg_get_function_result(p.oid) as result
          from pg_proc p
         where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a')
    loop
        begin
            if original.provariadic <> 0 then
                original.arguments[original.pronargs] := 'variadic ' || original.arguments[original.pronargs];
            end if;
            if original.prokind = 'f' then
                execute format('create function %I.%I(%s) returns %s language plpgsql volatile as $$ begin perform trap.sprung(); %s end $$',
                               bait, original.proname, array_to_string(original.arguments, ', '), original.result,
                               case when original.proretset then 'return;' else 'return null;' end);
            else
                execute format('create function %I.%I(%s) returns boolean %s', bait, 'step_' || original.oid,
                               array_to_string('boolean' || original.arguments, ', '), body);
                execute format('create aggregate %I.%I(%s) (sfunc = %I.%I, stype = boolean, initcond = true)', bait, original.proname,
                               case when original.pronargs = 0 then '*' else array_to_string(original.arguments, ', ') end,
                               bait, 'step_' || original.oid);
            end if;
            made := made + 1;
        exception when others then null;   -- what only C functions can be
        end;
    end loop;
    insert into trap.made values (bait, 'functions', made);

    made := 0;
    for original in
        select o.oid, o.oprname, o.oprleft, o.oprright, format_type(o.oprleft, null) as left_type,
               format_type(o.oprright, null) as right_type, format_type(o.oprresult, null) as result
          from pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprright <> 0
    loop
        begin
            execute format('create function %I.%I(%s) returns %s %s', bait, 'operator_' || original.oid,
                           concat_ws(', ', nullif(original.left_type, '-'), original.right_type), original.result, body);
            execute format('create operator %I.%s (function = %I.%I, %s rightarg = %s)', bait, original.oprname,
                           bait, 'operator_' || original.oid,
                           case when original.oprleft = 0 then '' else format('leftarg = %s,', original.left_type) end,
                           original.right_type);
            made := made + 1;
        exception when others then null;
        end;
    end loop;
    insert into trap.made values (bait, 'operators', made);

    call trap.lay_types_and_tables(bait);
end $lay$;

-- Also all there is to be had in pg_temp: functions and operators are never looked for there.
create or replace procedure trap.lay_types_and_tables(bait text) language plpgsql as $lay$
declare
    name text;
    made bigint := 0;
begin
    foreach name in array array['text', 'jsonb', 'json', 'uuid', 'timestamptz', 'timestamp', 'int8', 'int4', 'float8', 'bool',
                                'numeric', 'interval', 'bytea', 'oid', 'name', 'regclass', 'regnamespace', 'date', 'inet'] loop
        execute format('create domain %I.%I as pg_catalog.%I check (trap.sprung())', bait, name, name);
        made := made + 1;
    end loop;
    insert into trap.made values (bait, 'types', made);
    made := 0;
    for name in select relname from pg_catalog.pg_class
                 where relnamespace = 'pg_catalog'::pg_catalog.regnamespace and relkind in ('r', 'v') loop
        begin
            execute format('create view %I.%I as select * from pg_catalog.%I where trap.sprung()', bait, name, name);
            made := made + 1;
        exception when others then null;
        end;
    end loop;
    insert into trap.made values (bait, 'tables', made);
end $lay$;
