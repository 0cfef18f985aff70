-- Rowset `new_items`: items of orders that were inserted just before.
insert into raw_ops.order_items
       (id, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
        quantity, current_quantity, price, total_discount, gift_card)
select id, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
       quantity, current_quantity, price, total_discount, gift_card
  from new_items
