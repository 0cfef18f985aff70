-- Runs first. Whoever owns the schema may drop, rename or replace all that is in it: a role that has made it beforehand must
-- not get the extension and the shop's tables into it. The schema is on the search_path here, and full of somebody else's
-- functions, maybe: nothing is called before the path is ours.
do $begin$
declare
    v_path    pg_catalog.text := pg_catalog.current_setting('search_path');
    v_schema  pg_catalog.oid;
    v_owner   pg_catalog.name;
    v_holds   pg_catalog.text;
    v_grants  pg_catalog.aclitem[];
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    select schema.oid, role.rolname, schema.nspacl
      into v_schema, v_owner, v_grants
      from pg_namespace as schema
      join pg_roles as role on role.oid = schema.nspowner
     where schema.nspname = 'raw_ops';

    if v_owner <> current_user and not (select rolsuper from pg_roles where rolname = v_owner) then
        select format('It holds %s tables, views and the like, and %s functions.',
                      (select count(*) from pg_class where relnamespace = v_schema),
                      (select count(*) from pg_proc where pronamespace = v_schema))
          into v_holds;
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = format('the schema raw_ops is there already and belongs to the role %I, which could drop or replace '
                             'whatever raw_ops keeps in it', v_owner),
            detail = v_holds,
            hint = format('Look what is in it (\d raw_ops.*, \df raw_ops.*). Then run: ALTER SCHEMA raw_ops OWNER TO %I; or, '
                          'where nothing in it is needed: DROP SCHEMA raw_ops CASCADE; then create the extension again.',
                          current_user);
    end if;

    -- PUBLIC has nothing on the schema. What a script grants or revokes on it is remembered (pg_init_privs), all other
    -- grants of that moment along with it, and pg_dump leaves out what is remembered: so nothing is revoked beside others.
    if exists (select from aclexplode(v_grants) where grantee = 0) then
        if exists (select from aclexplode(v_grants)
                    where grantee not in (0, (select oid from pg_roles where rolname = v_owner))) then
            raise exception using
                errcode = 'object_not_in_prerequisite_state',
                message = 'the schema raw_ops is open to PUBLIC',
                hint = 'Run: CREATE SCHEMA IF NOT EXISTS raw_ops; REVOKE ALL ON SCHEMA raw_ops FROM PUBLIC; then create the '
                       'extension again.';
        end if;
        revoke all on schema raw_ops from public;
    end if;

    perform pg_catalog.set_config('search_path', v_path, true);
end
$begin$;
