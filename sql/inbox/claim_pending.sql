-- The oldest pending webhooks nobody else holds. $1 rows at most; nothing received before $2 is looked at.
select id, provider, topic, shop_domain, processing_status, processing_attempts, triggered_at, received_at, payload
  from raw_ops.webhook_inbox
 where processing_status = 'pending'
   and received_at >= $2
 order by received_at
 limit $1
   for no key update skip locked
