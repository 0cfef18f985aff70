-- What an owner has granted and set on our views ($1: their names), each as the statement that does it again.
with views as (
    select oid, relname, relowner, relacl, reloptions
      from pg_catalog.pg_class
     where relnamespace = 'raw_ops'::regnamespace and relkind = 'v' and relname = any ($1)
), grants as (
    select relname, null::name as attname, granted.*
      from views, aclexplode(relacl) as granted
     where granted.grantee <> relowner
     union all
    select relname, attribute.attname, granted.*
      from views
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = views.oid, aclexplode(attribute.attacl) as granted
     where granted.grantee <> relowner
)
select format('grant %s%s on raw_ops.%I to %s%s', privilege_type, ' (' || quote_ident(attname) || ')', relname,
              case grantee when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(grantee)) end,
              case when is_grantable then ' with grant option' else '' end)
  from grants
 union
select format('alter view raw_ops.%I set (%s = %L)', relname, split_part(option, '=', 1),
              substr(option, strpos(option, '=') + 1))
  from views, unnest(reloptions) as option
