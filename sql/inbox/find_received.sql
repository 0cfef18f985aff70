-- Which of the rowset `received` are in the inbox, under which id and in which state.
select webhook.id, webhook.shop_domain, webhook.provider, webhook.event_id, webhook.processing_status
  from received
  join raw_ops.webhook_inbox as webhook
    on webhook.shop_domain = received.shop_domain and webhook.provider = received.provider
   and webhook.event_id = received.event_id
