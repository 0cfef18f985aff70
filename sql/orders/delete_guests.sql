-- $1 guests whose orders have all been moved to the customer they are.
delete from raw_ops.customers where id = any ($1) and shopify_customer_id is null
