-- One webhook, waiting for whoever holds it.
select id, provider, topic, shop_domain, processing_status, processing_attempts, triggered_at, received_at, payload
  from raw_ops.webhook_inbox
 where id = $1
   for no key update
