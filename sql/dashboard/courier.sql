-- Notifications to customers of the last 30 days. What is wrong now, the monitor's statement tells.
select notifications.notifications, notifications.sent, notifications.failed, notifications.skipped, notifications.waiting,
       notifications.success_rate_percent::float8 as success_percent, speed.p95_seconds::float8
  from raw_ops.courier_notification_success as notifications,
       raw_ops.courier_time_to_notify as speed
