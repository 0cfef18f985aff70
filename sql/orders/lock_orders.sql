-- Always in the order of their ids, so that two drains wait for each other and never deadlock.
select id, shopify_updated_at
  from raw_ops.orders
 where id = any ($1)
 order by id
   for no key update
