-- What lets somebody do what nobody but its owner should: a schema of a stranger's, CREATE on it, anything that PUBLIC may.
-- $1: the owner of the tables, null where setup() has not run; $2: names of tables and views that setup() makes. The last
-- column: whose rights the statements take. Catalogs only.
with extension as (
    select extension.oid, role.rolname as owner
      from pg_catalog.pg_extension as extension
      join pg_catalog.pg_roles as role on role.oid = extension.extowner
     where extension.extname = 'raw_ops'
), schema as (
    select schema.oid, schema.nspacl, schema.nspowner, role.rolname as owner, role.rolsuper as is_superusers
      from pg_catalog.pg_namespace as schema
      join pg_catalog.pg_roles as role on role.oid = schema.nspowner
     where schema.nspname = 'raw_ops'
), granted as (
    select 'SCHEMA' as kind, 'raw_ops' as name, schema.nspowner as owner, acl.grantor, acl.grantee, acl.privilege_type
      from schema
     cross join lateral pg_catalog.aclexplode(schema.nspacl) as acl
     union all
    select 'ROUTINE', function.oid::regprocedure::text, function.proowner, acl.grantor, acl.grantee, acl.privilege_type
      from schema
     cross join extension
      join pg_catalog.pg_depend as member
        on member.refobjid = extension.oid and member.deptype = 'e' and member.classid = 'pg_catalog.pg_proc'::regclass
      join pg_catalog.pg_proc as function on function.oid = member.objid and function.pronamespace = schema.oid
     cross join lateral pg_catalog.aclexplode(
                coalesce(function.proacl, pg_catalog.acldefault('f', function.proowner))) as acl
     union all
    select 'TABLE', relation.oid::regclass::text, relation.relowner, acl.grantor, acl.grantee, acl.privilege_type
      from schema
      join pg_catalog.pg_class as relation on relation.relnamespace = schema.oid
     cross join lateral (
           select relation.relacl
            union all
           select attacl from pg_catalog.pg_attribute where attrelid = relation.oid and attacl is not null) as rights (acl)
     cross join lateral pg_catalog.aclexplode(rights.acl) as acl
     where relation.relkind in ('r', 'p', 'v') and (relation.relname = any ($2) or relation.relispartition)
), too_much as (
    -- Of the grants to PUBLIC all; to others, CREATE on the schema where it is neither an owner's nor a superuser's.
    select granted.*, grantee.rolname as to_role,
           coalesce(quote_ident(grantee.rolname), 'PUBLIC') as to_whom,
           owner.rolname as owner_role, grantor.rolname as grantor_role
      from granted
      join pg_catalog.pg_roles as owner on owner.oid = granted.owner
      join pg_catalog.pg_roles as grantor on grantor.oid = granted.grantor
      left join pg_catalog.pg_roles as grantee on grantee.oid = granted.grantee
     where granted.grantee = 0
        or granted.kind = 'SCHEMA' and granted.privilege_type = 'CREATE' and $1 is not null
           and granted.grantee <> granted.owner and grantee.rolname <> $1 and not grantee.rolsuper
), told as (
    select kind, to_role, string_agg(distinct name, ', ') as names, string_agg(distinct privilege_type, ', ') as privileges
      from too_much
     group by kind, to_role
), steps as (
    -- What somebody else than the owner has granted, only that role takes back.
    select revoke.kind, revoke.to_role,
           array_agg(step.statement order by revoke.owner_role, revoke.grantor_role, step.place) as statements,
           array_agg(distinct revoke.owner_role::text) as roles
      from (select kind, to_role, to_whom, owner_role, grantor_role, string_agg(distinct name, ', ') as names
              from too_much
             group by kind, to_role, to_whom, owner_role, grantor_role) as revoke
     cross join lateral (values
           (1, case when grantor_role <> owner_role then format('SET ROLE %I;', grantor_role) end),
           (2, format('REVOKE %s ON %s %s FROM %s;', case when to_role is null then 'ALL' else 'CREATE' end, kind, names, to_whom)),
           (3, case when grantor_role <> owner_role then 'RESET ROLE;' end)) as step (place, statement)
     where step.statement is not null
     group by revoke.kind, revoke.to_role
)
select 'schema' as what, case when schema.owner = $1 then 'warning' else 'critical' end as severity,
       format('the schema raw_ops belongs to the role %I, which may drop, rename and replace whatever is in it', schema.owner) as problem,
       null::timestamptz as since,
       array[format('ALTER SCHEMA raw_ops OWNER TO %I;', extension.owner)]
           || case when $1 is not null
                   then array[format('GRANT CREATE, USAGE ON SCHEMA raw_ops TO %I;', $1)] else '{}'::text[] end as next,
       array[extension.owner::text] as roles
  from schema
 cross join extension
 where not schema.is_superusers and schema.owner <> extension.owner
 union all
select 'schema', 'warning',
       format('the role %I may create in the schema raw_ops: a function beside one of ours, or what a later setup() is to make',
              told.to_role), null, steps.statements, steps.roles
  from told
  join steps using (kind, to_role)
 union all
select 'public',
       case when told.kind = 'TABLE' or told.privileges ~ 'CREATE'
                 or exists (select from too_much where kind = 'SCHEMA' and to_role is null) and told.kind = 'ROUTINE'
            then 'critical' else 'warning' end,
       case told.kind
            when 'ROUTINE' then format('every role (PUBLIC) may call: %s', told.names)
            else format('every role (PUBLIC) has %s on %s', told.privileges, told.names) end,
       null, steps.statements, steps.roles
  from told
  join steps on steps.kind = told.kind and steps.to_role is null
 where told.to_role is null
