-- What nobody here knew of a shop ($1): rowsets `new_customers`, `new_orders`, `new_items`. One statement, since starting one costs
-- as much as a row or two. A row that somebody else inserted meanwhile is a unique violation: look again.
with customers as (
    insert into raw_ops.customers
           (id, shop_domain, shopify_customer_id, email, first_name, last_name, phone, accepts_marketing,
            shopify_updated_at, shopify_triggered_at, payload_hash, field_versions)
    select id, $1, shopify_customer_id, email, first_name, last_name, phone, accepts_marketing,
           version, triggered_at, payload_hash, field_versions
      from new_customers
), orders as (
    insert into raw_ops.orders
           (id, shop_domain, shopify_order_id, order_number, order_name, customer_id, email, currency, total_price, subtotal_price,
            total_tax, total_discounts, total_shipping, financial_status, fulfillment_status, shipping_address,
            billing_address, note, tags, is_test, ordered_at, cancelled_at, cancel_reason,
            shopify_updated_at, shopify_triggered_at, payload_hash, field_versions, guest_email_key)
    select order_id, $1, shopify_order_id, order_number, order_name, customer_id, email, currency, total_price,
           subtotal_price, total_tax, total_discounts, total_shipping, financial_status, fulfillment_status,
           shipping_address, billing_address, note, tags, coalesce(is_test, false), ordered_at, cancelled_at,
           cancel_reason, version, triggered_at, payload_hash, field_versions, guest_email_key
      from new_orders
)
insert into raw_ops.order_items
       (id, shop_domain, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
        quantity, current_quantity, price, total_discount, gift_card)
select id, $1, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
       quantity, current_quantity, price, total_discount, gift_card
  from new_items
