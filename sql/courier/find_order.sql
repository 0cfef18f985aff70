select id from raw_ops.orders where shopify_order_id = $1
