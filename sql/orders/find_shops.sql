-- For orders ($1: Shopify's ids) of which nobody says which shop they are of. Rows without an id: the shops that it may be, two at
-- most; the others: which shops have an order of this id.
select null::bigint as shopify_order_id, shop_domain
  from (select shop_domain from raw_ops.shops where active limit 2) as active
union all
select shopify_order_id, shop_domain
  from raw_ops.orders
 where shopify_order_id = any ($1)
