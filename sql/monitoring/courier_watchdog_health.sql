-- By shop: notifications that failed within $1 microseconds (by their last attempt), and those created within $2 that wait, longer
-- than $3 minutes or not; what else a person wants to see beside them. One without an e-mail waits for nothing.
select shop_domain, coalesce(failed.total, 0) as failed, failed.last_error, failed.last_failed_at,
       coalesce(waiting.stuck, 0) as stuck, coalesce(waiting.oldest_minutes, 0) as oldest_minutes,
       coalesce(waiting.total, 0) as waiting, coalesce(done.sent, 0) as sent, coalesce(done.skipped, 0) as skipped,
       coalesce(tasks.open, 0) as open_tasks, coalesce(tasks.overdue, 0) as overdue_tasks
  from (select event.shop_domain, count(*) as total, max(event.created_at) as last_failed_at,
               (array_agg(event.notification_last_error order by event.created_at desc))[1] as last_error
          from raw_ops.ops_events as event
         where event.kind = 'CUSTOMER_EVENT'
           and event.customer_event_type = 'courier_exception'
           and event.notification_status = 'failed'
           and (event.created_at > now() - $1 * interval '1 microsecond'
                or exists (select from raw_ops.http_requests as request
                            where request.subject_id = event.id
                              and request.completed_at > now() - $1 * interval '1 microsecond'))
         group by event.shop_domain) as failed
  full join (
       select shop_domain, count(*) as total,
              count(*) filter (where created_at < now() - $3 * interval '1 minute') as stuck,
              (extract(epoch from now() - min(created_at)) / 60)::float8 as oldest_minutes
         from raw_ops.ops_events
        where kind = 'CUSTOMER_EVENT'
          and customer_event_type = 'courier_exception'
          and processed_at is null
          and coalesce(notification_status, 'pending') = 'pending'
          and created_at > now() - $2 * interval '1 microsecond'
        group by shop_domain) as waiting using (shop_domain)
  full join (
       select shop_domain,
              count(*) filter (where notification_status = 'sent') as sent,
              count(*) filter (where notification_status = 'skipped') as skipped
         from raw_ops.ops_events
        where kind = 'CUSTOMER_EVENT'
          and customer_event_type = 'courier_exception'
          and created_at > now() - $1 * interval '1 microsecond'
        group by shop_domain) as done using (shop_domain)
  full join (
       select shop_domain, count(*) as open, count(*) filter (where due_at < now()) as overdue
         from raw_ops.courier_tasks
        where done_at is null
        group by shop_domain) as tasks using (shop_domain)
