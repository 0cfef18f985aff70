-- Rowset `older_items`: for orders whose newer payloads never spoke of items.
insert into raw_ops.order_items
       (id, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
        quantity, current_quantity, price, total_discount, gift_card)
select id, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
       quantity, current_quantity, price, total_discount, gift_card
  from older_items as k
 where not exists (select from raw_ops.order_items as i where i.order_id = k.order_id)
    on conflict (order_id, shopify_line_item_id) do nothing
