insert into raw_ops.ops_events (id, shop_domain, kind, entity_type, entity_id, message, event_payload)
select failure.event_id, webhook.shop_domain, 'ERROR', 'webhook', failure.id, 'webhook.dead_lettered',
       jsonb_build_object('webhook_id', failure.id, 'provider', webhook.provider, 'topic', webhook.topic,
                          'shopify_order_id', webhook.shopify_order_id, 'attempts', webhook.processing_attempts,
                          'error', failure.error, 'error_category', failure.category)
  from failures as failure
  join raw_ops.webhook_inbox as webhook on webhook.id = failure.id
 where failure.retry_at is null
