-- Notifications that failed within $1 microseconds (by their last attempt), and those created within $2 that wait, longer than
-- $3 minutes or not; what else a person wants to see beside them. One without an e-mail waits for nothing.
select failed.total as failed, failed.last_error, waiting.stuck, coalesce(waiting.oldest_minutes, 0) as oldest_minutes,
       waiting.total as waiting, done.sent, done.skipped, tasks.open as open_tasks, tasks.overdue as overdue_tasks
  from (select count(*) as total,
               (array_agg(event.notification_last_error order by event.created_at desc))[1] as last_error
          from raw_ops.ops_events as event
         where event.kind = 'CUSTOMER_EVENT'
           and event.customer_event_type = 'courier_exception'
           and event.notification_status = 'failed'
           and (event.created_at > now() - $1 * interval '1 microsecond'
                or exists (select from raw_ops.http_requests as request
                            where request.subject_id = event.id
                              and request.completed_at > now() - $1 * interval '1 microsecond'))) as failed,
       (select count(*) as total,
               count(*) filter (where created_at < now() - $3 * interval '1 minute') as stuck,
               (extract(epoch from now() - min(created_at)) / 60)::float8 as oldest_minutes
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT'
           and customer_event_type = 'courier_exception'
           and processed_at is null
           and coalesce(notification_status, 'pending') = 'pending'
           and created_at > now() - $2 * interval '1 microsecond') as waiting,
       (select count(*) filter (where notification_status = 'sent') as sent,
               count(*) filter (where notification_status = 'skipped') as skipped
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT'
           and customer_event_type = 'courier_exception'
           and created_at > now() - $1 * interval '1 microsecond') as done,
       (select count(*) as open, count(*) filter (where due_at < now()) as overdue
          from raw_ops.courier_tasks
         where done_at is null) as tasks
