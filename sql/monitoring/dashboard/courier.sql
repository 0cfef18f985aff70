-- Notifications to customers: the last 30 days, those that failed in the last 24 hours, what is stuck; and tasks that are open.
select notifications.notifications, notifications.sent, notifications.failed, notifications.skipped, notifications.waiting,
       notifications.success_rate_percent::float8 as success_percent, speed.p95_seconds::float8,
       recent.failed as failed_lately, recent.stuck, tasks.open as open_tasks, tasks.overdue as overdue_tasks
  from raw_ops.courier_notification_success as notifications,
       raw_ops.courier_time_to_notify as speed,
       (select count(*) filter (where notification_status = 'failed') as failed,
               count(*) filter (where coalesce(notification_status, 'pending') = 'pending'
                                      and created_at < now() - interval '1 hour') as stuck
          from raw_ops.ops_events
         where processed_at is null and kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
           and created_at > now() - interval '24 hours') as recent,
       (select count(*) as open, count(*) filter (where due_at < now()) as overdue
          from raw_ops.courier_tasks
         where done_at is null) as tasks
