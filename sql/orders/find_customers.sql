-- $1 Shopify's customer ids.
select shopify_customer_id, id
  from raw_ops.customers
 where shopify_customer_id = any ($1)
