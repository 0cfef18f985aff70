-- What the rowset `incoming` (ordinal, shopify_order_id, shopify_customer_id, email) meets here:
-- o its order, c its customer, g a guest whose e-mail a customer with an id now claims, e whoever has a guest's e-mail.
select 'o' as what, incoming.ordinal, o.id, o.shopify_updated_at, o.customer_id as other_id, null::bigint as shopify_id
  from incoming
  join raw_ops.orders as o on o.shopify_order_id = incoming.shopify_order_id
union all
select 'c', incoming.ordinal, c.id, null, null, c.shopify_customer_id
  from incoming
  join raw_ops.customers as c on c.shopify_customer_id = incoming.shopify_customer_id
union all
select 'g', incoming.ordinal, c.id, null, null, null
  from incoming
  join raw_ops.customers as c on lower(c.email) = lower(incoming.email) and c.shopify_customer_id is null
 where incoming.shopify_customer_id is not null
union all
select 'e', incoming.ordinal, c.id, null, null, c.shopify_customer_id
  from incoming
  join raw_ops.customers as c on lower(c.email) = lower(incoming.email)
 where incoming.shopify_customer_id is null
