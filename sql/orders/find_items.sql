-- $1 ids of orders. The number tells which fields are null: bit n is the n-th name in src/orders/fields/mod.rs.
select order_id, id, shopify_line_item_id,
       (product_id is null)::int + 2 * (variant_id is null)::int + 4 * (sku is null)::int + 8 * (title is null)::int
       + 16 * (variant_title is null)::int + 32 * (vendor is null)::int + 64 * (current_quantity is null)::int
       + 128 * (total_discount is null)::int + 256 * (gift_card is null)::int as blank,
       field_versions
  from raw_ops.order_items
 where order_id = any ($1)
