-- Order webhooks of the last 30 days that a person has settled and whose order is not here.
select count(*)
  from raw_ops.webhook_inbox as webhook
 where webhook.processing_status = 'resolved_manual'
   and webhook.created_at > now() - interval '30 days'
   and webhook.provider = 'shopify' and webhook.topic like 'orders/%'
   and not exists (select from raw_ops.orders as known
                    where known.shopify_order_id = webhook.shopify_order_id
                      and known.shop_domain in ('', webhook.shop_domain))
