-- Whether webhook $1 is an order's whose order is not here, of its shop or of none.
select webhook.provider = 'shopify' and webhook.topic like 'orders/%'
       and not exists (select from raw_ops.orders as known
                        where known.shopify_order_id = webhook.shopify_order_id
                          and known.shop_domain in ('', webhook.shop_domain))
  from raw_ops.webhook_inbox as webhook
 where webhook.id = $1
