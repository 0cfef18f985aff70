-- Rowset `known_customers`, ordered by id. Absent values erase nothing, older payloads change nothing, and what is
-- the same already is not written.
update raw_ops.customers as c
   set shopify_customer_id = coalesce(c.shopify_customer_id, k.shopify_customer_id),
       email = coalesce(k.email, c.email),
       first_name = coalesce(k.first_name, c.first_name),
       last_name = coalesce(k.last_name, c.last_name),
       phone = coalesce(k.phone, c.phone),
       accepts_marketing = coalesce(k.accepts_marketing, c.accepts_marketing),
       shopify_updated_at = greatest(k.version, c.shopify_updated_at),
       updated_at = now()
  from known_customers as k
 where c.id = k.id
   and (k.version is null or c.shopify_updated_at is null or k.version >= c.shopify_updated_at)
   and (   (k.shopify_customer_id is not null and c.shopify_customer_id is null)
        or k.email <> c.email or (k.email is not null and c.email is null)
        or k.first_name <> c.first_name or (k.first_name is not null and c.first_name is null)
        or k.last_name <> c.last_name or (k.last_name is not null and c.last_name is null)
        or k.phone <> c.phone or (k.phone is not null and c.phone is null)
        or k.accepts_marketing is distinct from coalesce(c.accepts_marketing, not k.accepts_marketing))
