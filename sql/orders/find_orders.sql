-- $1 Shopify's order ids.
select shopify_order_id, id, shopify_updated_at, customer_id, payload_hash
  from raw_ops.orders
 where shopify_order_id = any ($1)
