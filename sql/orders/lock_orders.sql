-- Always in the order of Shopify's ids, so that two drains wait for each other and never deadlock.
select id
  from raw_ops.orders
 where shopify_order_id = any ($1)
 order by shopify_order_id
   for no key update
