-- DLV's KPIs and its dashboard's questions. None shows who the customer is. An exception is an event whose code is in
-- the mapping, other than one mapped to the type `delivered`; rates are null while there is nothing to divide by, and
-- rounded down, so that 100 means all.

create view raw_ops.courier_exceptions_by_type as
select coalesce(event_type, 'unmapped') as event_type,
       count(*) as total_events,
       count(*) filter (where requires_customer_notification) as notified,
       count(distinct shipment_id) as shipments,
       max(created_at) as last_at
  from raw_ops.courier_events
 where created_at > now() - interval '30 days'
 group by event_type;
comment on view raw_ops.courier_exceptions_by_type is
    'Courier events of the last 30 days by type; unmapped: the code is not in courier_event_mapping, so nobody was told.';

create view raw_ops.courier_exceptions_by_day as
select day.start::date as day, coalesce(exceptions.total, 0) as exceptions, coalesce(exceptions.notified, 0) as notified
  from generate_series(date_trunc('day', now()) - interval '29 days', date_trunc('day', now()), interval '1 day')
       as day(start)
  left join (
       select date_trunc('day', created_at) as start, count(*) as total,
              count(*) filter (where requires_customer_notification) as notified
         from raw_ops.courier_events
        where created_at >= date_trunc('day', now()) - interval '29 days' and event_type <> 'delivered'
        group by 1) as exceptions on exceptions.start = day.start;
comment on view raw_ops.courier_exceptions_by_day is
    'Exceptions a day, 30 days, in the session''s TimeZone; a day without any is a row of zeros.';

create view raw_ops.courier_notification_success as
select counts.*, trunc(100.0 * sent / nullif(sent + failed, 0), 2) as success_rate_percent
  from (select count(*) as notifications,
               count(*) filter (where notification_status = 'sent') as sent,
               count(*) filter (where notification_status = 'failed') as failed,
               count(*) filter (where notification_status = 'skipped') as skipped,
               count(*) filter (where notification_status = 'pending' or notification_status is null) as waiting,
               count(*) filter (where notification_status = 'sent' and notification_attempts = 1) as sent_at_once
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
           and created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_notification_success is
    'Notifications of the last 30 days by outcome. Success rate: sent / (sent + failed); DLV''s target is above 99 %.';

create view raw_ops.courier_time_to_notify as
select count(*) as sample_size,
       round(avg(seconds), 1) as avg_seconds,
       round((percentile_cont(0.5) within group (order by seconds))::numeric, 3) as p50_seconds,
       round((percentile_cont(0.95) within group (order by seconds))::numeric, 3) as p95_seconds,
       round(max(seconds), 1) as max_seconds,
       trunc(100.0 * count(*) filter (where seconds < 10) / nullif(count(*), 0), 2) as within_10_seconds_percent
  from (select extract(epoch from processed_at - created_at)::numeric as seconds
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
           and notification_status = 'sent'
           and created_at > now() - interval '30 days') as sent;
comment on view raw_ops.courier_time_to_notify is
    'Seconds from a notification''s creation to its acceptance by Customer.io, last 30 days, retries included; DLV''s target is below 10.';

create view raw_ops.courier_failed_notifications as
select event.id as ops_event_id, event.created_at, event.event_payload->>'event_type' as event_type,
       event.event_payload->>'notification_template_id' as notification_template_id,
       event.notification_attempts, event.notification_last_error, event.entity_id as shipment_id,
       event.event_payload #>> '{shipment,tracking_no}' as tracking_no,
       last_attempt.status_code as last_status_code, last_attempt.completed_at as failed_at
  from raw_ops.ops_events as event
  left join lateral (
       select request.status_code, request.completed_at
         from raw_ops.http_requests as request
        where request.subject_id = event.id and request.completed_at is not null
        order by request.completed_at desc
        limit 1) as last_attempt on true
 where event.kind = 'CUSTOMER_EVENT' and event.customer_event_type = 'courier_exception'
   and event.notification_status = 'failed';
comment on view raw_ops.courier_failed_notifications is
    'Notifications that no attempt is left for. After mending the cause, DLV''s manual re-trigger sends them.';

create view raw_ops.courier_open_tasks as
select task.id as task_id, task.event_code, task.event_type, task.action, task.due_at, task.due_at < now() as is_overdue,
       round((extract(epoch from task.due_at - now()) / 60)::numeric) as minutes_left,
       shipment.tracking_no, shipment.tracking_url, orders.order_name, task.shipment_id, task.created_at
  from raw_ops.courier_tasks as task
  join raw_ops.shipments as shipment on shipment.id = task.shipment_id
  left join raw_ops.orders on orders.id = shipment.order_id
 where task.done_at is null;
comment on view raw_ops.courier_open_tasks is
    'What a person has to do, and how long there is for it. Close one: SELECT raw_ops.fn_complete_courier_task_v1(task_id, note);';

create view raw_ops.courier_manual_interventions as
select counts.*, trunc(100.0 * tasks / nullif(exceptions, 0), 2) as intervention_rate_percent,
       trunc(100.0 * in_time / nullif(tasks - not_due, 0), 2) as within_sla_percent
  from (select (select count(*) from raw_ops.courier_events
                 where created_at > now() - interval '30 days' and event_type <> 'delivered') as exceptions,
               count(*) as tasks,
               count(*) filter (where done_at is null) as open,
               count(*) filter (where done_at is null and due_at < now()) as overdue,
               count(*) filter (where done_at is null and due_at >= now()) as not_due,
               count(*) filter (where done_at <= due_at) as in_time,
               round((percentile_cont(0.5) within group (order by extract(epoch from done_at - created_at) / 60))::numeric)
                   as median_minutes_to_done
          from raw_ops.courier_tasks
         where created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_manual_interventions is
    'Tasks of the last 30 days against exceptions (DLV''s target is below 2 %), and how many were done within their SLA.';

create view raw_ops.courier_delivery_after_exception as
select counts.*, trunc(100.0 * delivered / nullif(shipments - under_way, 0), 2) as delivered_percent
  from (select count(*) as shipments,
               count(*) filter (where is_delivered) as delivered,
               count(*) filter (where not is_delivered and status not in ('failure', 'cancelled', 'returned', 'replaced')
                                      and last_at > now() - interval '7 days') as under_way
          from (select shipment.status, event.last_at,
                       shipment.status = 'delivered'
                       or exists (select from raw_ops.courier_events as other
                                   where other.shipment_id = shipment.id and other.event_type = 'delivered') as is_delivered
                  from (select shipment_id, max(created_at) as last_at
                          from raw_ops.courier_events
                         where created_at > now() - interval '30 days' and event_type <> 'delivered'
                         group by shipment_id) as event
                  join raw_ops.shipments as shipment on shipment.id = event.shipment_id) as shipment) as counts;
comment on view raw_ops.courier_delivery_after_exception is
    'Shipments with an exception in the last 30 days: delivered all the same, as Shopify or a courier event of type delivered says? A shipment without news for 7 days counts as not. DLV''s target is above 95 %.';

create view raw_ops.courier_delivery_attempts as
select counts.*, trunc(100.0 * failed / nullif(attempts, 0), 2) as failure_rate_percent
  from (select count(*) as attempts,
               count(*) filter (where state = 'succeeded') as succeeded,
               count(*) filter (where state <> 'succeeded') as failed,
               round((percentile_cont(0.95) within group (order by latency_ms))::numeric) as p95_latency_ms
          from raw_ops.http_requests
         where purpose = 'courier' and state in ('succeeded', 'failed', 'abandoned')
           and created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_delivery_attempts is
    'Attempts at Customer.io that ended in the last 30 days; DLV''s target is a failure rate below 0.1 %, alarm at 1 %.';

create view raw_ops.courier_kpis as
select kpi.position, kpi.kpi, kpi.value, kpi.unit, kpi.target, kpi.is_met
  from (select notifications.success_rate_percent, speed.p95_seconds, hands.intervention_rate_percent,
               delivery.delivered_percent, attempts.failure_rate_percent, now_state.stuck, now_state.failed,
               monitor.duration_ms, monitor.is_covered
          from raw_ops.courier_notification_success as notifications,
               raw_ops.courier_time_to_notify as speed,
               raw_ops.courier_manual_interventions as hands,
               raw_ops.courier_delivery_after_exception as delivery,
               raw_ops.courier_delivery_attempts as attempts,
               (select count(*) filter (where coalesce(notification_status, 'pending') = 'pending'
                                              and created_at < now() - interval '1 hour')::numeric as stuck,
                       count(*) filter (where notification_status = 'failed')::numeric as failed
                  from raw_ops.ops_events
                 where processed_at is null and kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
                   and created_at > now() - interval '24 hours') as now_state,
               (select max(duration_ms)::numeric as duration_ms,
                       case when max(run_at) > now() - interval '1 hour' then 100 else 0 end::numeric as is_covered
                  from raw_ops.monitoring_runs
                 where check_name = 'courier_watchdog_health' and run_at > now() - interval '24 hours') as monitor)
       as figure
 cross join lateral (values
       (1, 'event_processing_time', figure.p95_seconds, 'seconds (p95)', '< 10', figure.p95_seconds < 10),
       (2, 'notification_success_rate', figure.success_rate_percent, '%', '> 99', figure.success_rate_percent > 99),
       (3, 'manual_intervention_rate', figure.intervention_rate_percent, '%', '< 2', figure.intervention_rate_percent < 2),
       (4, 'query_performance', figure.duration_ms, 'ms (slowest health check, 24 h)', '< 10', figure.duration_ms < 10),
       (5, 'monitoring_coverage', figure.is_covered, '%', '= 100', figure.is_covered = 100),
       (6, 'delivery_success_after_exception', figure.delivered_percent, '%', '> 95', figure.delivered_percent > 95),
       (7, 'stuck_events', figure.stuck, 'events', '= 0', figure.stuck = 0),
       (8, 'notification_failures', figure.failed, 'events (24 h)', '= 0', figure.failed = 0),
       (9, 'customerio_failure_rate', figure.failure_rate_percent, '%', '< 0.1', figure.failure_rate_percent < 0.1))
       as kpi(position, kpi, value, unit, target, is_met);
comment on view raw_ops.courier_kpis is
    'DLV''s KPIs with their targets, one row each; is_met is null while there is nothing to measure. Over 30 days unless the unit says otherwise.';

revoke all on raw_ops.courier_exceptions_by_type, raw_ops.courier_exceptions_by_day, raw_ops.courier_notification_success,
    raw_ops.courier_time_to_notify, raw_ops.courier_failed_notifications, raw_ops.courier_open_tasks,
    raw_ops.courier_manual_interventions, raw_ops.courier_delivery_after_exception, raw_ops.courier_delivery_attempts,
    raw_ops.courier_kpis from public;
