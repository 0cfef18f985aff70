-- The newest webhooks that are due again and nobody else holds; $1 at most. Pending ones are due at once, and one
-- left `retrying` by a crash is due whatever its next_retry_at says.
select id, provider, topic, shop_domain, processing_status, processing_attempts, triggered_at, received_at, payload
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'failed', 'retrying')
   and (processing_status <> 'failed' or next_retry_at is null or next_retry_at <= now())
 order by received_at desc
 limit $1
   for no key update skip locked
