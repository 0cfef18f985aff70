-- What waits, by status.
select status.name, count(webhook.processing_status)::text
  from unnest(array['pending', 'failed', 'retrying']) with ordinality as status (name, position)
  left join raw_ops.webhook_inbox as webhook
    on webhook.processing_status = status.name and webhook.processing_status in ('pending', 'failed', 'retrying')
 group by status.name, status.position
 order by status.position
