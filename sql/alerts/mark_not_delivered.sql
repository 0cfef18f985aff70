-- Rowset `failed`: messages an attempt of which has not arrived, and why. No attempt left: the message reached nobody.
with waiting as (
    select message.id, failed.error,
           message.delivery = 'pending'
           and not exists (select from raw_ops.http_requests as request
                            where request.subject_id = message.id and request.state in ('queued', 'sending')) as is_over
      from failed
      join raw_ops.alert_messages as message on message.id = failed.id
     where message.delivery <> 'delivered'
     order by message.id
       for no key update of message
)
update raw_ops.alert_messages as message
   set last_error = waiting.error,
       delivery = case when waiting.is_over then 'undelivered' else message.delivery end
  from waiting
 where message.id = waiting.id
