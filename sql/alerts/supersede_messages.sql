-- Messages about alert $1 that are still on their way: the message that follows says more. One that is being sent is left to
-- its end. Returns those whose queued attempts are to go.
update raw_ops.alert_messages as message
   set delivery = 'superseded'
 where message.alert_id = $1
   and message.delivery in ('pending', 'undelivered')
   and not exists (select from raw_ops.http_requests as request
                    where request.subject_id = message.id and request.state = 'sending')
returning message.id
