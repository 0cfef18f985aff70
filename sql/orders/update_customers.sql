-- Rowset `known_customers`, ordered by id. Of two payloads the newer decides and the older only fills gaps; absent
-- values erase nothing, and what is the same already is not written.
update raw_ops.customers as c
   set (shopify_customer_id, email, first_name, last_name, phone, accepts_marketing) =
       (select coalesce(c.shopify_customer_id, k.shopify_customer_id),
               case when newer then coalesce(k.email, c.email) else coalesce(c.email, k.email) end,
               case when newer then coalesce(k.first_name, c.first_name) else coalesce(c.first_name, k.first_name) end,
               case when newer then coalesce(k.last_name, c.last_name) else coalesce(c.last_name, k.last_name) end,
               case when newer then coalesce(k.phone, c.phone) else coalesce(c.phone, k.phone) end,
               case when newer then coalesce(k.accepts_marketing, c.accepts_marketing)
                    else coalesce(c.accepts_marketing, k.accepts_marketing) end
          from (select k.version is null or c.shopify_updated_at is null or k.version >= c.shopify_updated_at) as v(newer)),
       shopify_updated_at = greatest(k.version, c.shopify_updated_at),
       updated_at = now()
  from known_customers as k
 where c.id = k.id
   and exists (
       select from (select k.version is null or c.shopify_updated_at is null
                           or k.version >= c.shopify_updated_at) as v(newer)
        where (k.shopify_customer_id is not null and c.shopify_customer_id is null)
           or (k.email is not null and (c.email is null or newer and k.email <> c.email))
           or (k.first_name is not null and (c.first_name is null or newer and k.first_name <> c.first_name))
           or (k.last_name is not null and (c.last_name is null or newer and k.last_name <> c.last_name))
           or (k.phone is not null and (c.phone is null or newer and k.phone <> c.phone))
           or (k.accepts_marketing is not null
               and (c.accepts_marketing is null or newer and k.accepts_marketing <> c.accepts_marketing)))
