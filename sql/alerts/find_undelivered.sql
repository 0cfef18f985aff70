-- The last message of each alert that reached nobody; what came before it says less. One that waits for an attempt that
-- nobody has queued any more (somebody deleted it) reaches nobody, either.
select distinct on (message.alert_id) message.id, message.channel, alert.shop_domain, message.body
  from raw_ops.alert_messages as message
  join raw_ops.alerts as alert on alert.id = message.alert_id
 where (message.delivery = 'undelivered'
        or message.delivery = 'pending'
           and not exists (select from raw_ops.http_requests as request
                            where request.subject_id = message.id and request.state in ('queued', 'sending')))
   and not exists (select from raw_ops.alert_messages as later
                    where later.alert_id = message.alert_id and later.created_at > message.created_at)
 order by message.alert_id, message.created_at desc
