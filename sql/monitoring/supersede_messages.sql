-- Messages about alert $1 that are still on their way: the message that follows says more. Their queued attempts go; one
-- that is being sent is left to its end.
with superseded as (
    update raw_ops.alert_messages as message
       set delivery = 'superseded'
     where message.alert_id = $1
       and message.delivery in ('pending', 'undelivered')
       and not exists (select from raw_ops.http_requests as request
                        where request.subject_id = message.id and request.state = 'sending')
    returning message.id
)
update raw_ops.http_requests as request
   set state = 'abandoned', completed_at = clock_timestamp(), error = 'superseded by a later message about the same alert'
  from superseded
 where request.subject_id = superseded.id
   and request.state = 'queued'
