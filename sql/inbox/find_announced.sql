-- Rowset `late`: webhook_id, shop_domain, provider, delivery (its event_id), since. Those of them that are repeats of a delivery which was
-- archived. It was not received before it happened (a day for clocks that differ), which leaves few months to look at.
select late.webhook_id
  from late
 where exists (
       select from raw_ops.webhook_inbox_archive as archived
        where archived.shop_domain = late.shop_domain
          and archived.provider = late.provider
          and archived.event_id = late.delivery
          and archived.created_at >= coalesce(late.since - interval '1 day', '-infinity'))
