-- Rowset `known_customers`, ordered by id. Of two payloads the newer decides and the older only fills gaps; absent
-- values erase nothing. A newer payload that says nothing new leaves its time all the same: one that comes later but is
-- older must not pass for newer. A guest who turns out to be a customer is as new as what Shopify says about them.
update raw_ops.customers as c
   set (shopify_customer_id, email, first_name, last_name, phone, accepts_marketing) =
       (select coalesce(c.shopify_customer_id, k.shopify_customer_id),
               case when newer then coalesce(k.email, c.email) else coalesce(c.email, k.email) end,
               case when newer then coalesce(k.first_name, c.first_name) else coalesce(c.first_name, k.first_name) end,
               case when newer then coalesce(k.last_name, c.last_name) else coalesce(c.last_name, k.last_name) end,
               case when newer then coalesce(k.phone, c.phone) else coalesce(c.phone, k.phone) end,
               case when newer then coalesce(k.accepts_marketing, c.accepts_marketing)
                    else coalesce(c.accepts_marketing, k.accepts_marketing) end
          from (select k.version is null or c.shopify_updated_at is null or k.version >= c.shopify_updated_at
                       or (k.shopify_customer_id is not null and c.shopify_customer_id is null)) as v(newer)),
       shopify_updated_at = case when k.shopify_customer_id is not null and c.shopify_customer_id is null
                                 then k.version else greatest(k.version, c.shopify_updated_at) end,
       updated_at = now()
  from known_customers as k
 where c.id = k.id
   and (   k.version > c.shopify_updated_at
        or (k.version is not null and c.shopify_updated_at is null)
        or (k.shopify_customer_id is not null and c.shopify_customer_id is null)
        or (k.email is not null and k.email is distinct from c.email)
        or (k.first_name is not null and k.first_name is distinct from c.first_name)
        or (k.last_name is not null and k.last_name is distinct from c.last_name)
        or (k.phone is not null and k.phone is distinct from c.phone)
        or (k.accepts_marketing is not null and k.accepts_marketing is distinct from c.accepts_marketing))
