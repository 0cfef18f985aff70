-- Are DLV's targets met?
create or replace view raw_ops.courier_kpis as
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
                                              and created_at < now() - limits.stuck_after)::numeric as stuck,
                       count(*) filter (where notification_status = 'failed')::numeric as failed
                  from raw_ops.ops_events
                 cross join (select min(threshold) * interval '1 minute' as stuck_after
                               from raw_ops.monitor_thresholds
                              where check_name = 'courier_watchdog_health' and condition = 'stuck_events') as limits
                 where processed_at is null and kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
                   and created_at > now() - interval '24 hours') as now_state,
               (select max(duration_ms)::numeric as duration_ms,
                       case when max(run_at) > now() - (select heartbeat_every from raw_ops.monitors
                                                         where check_name = 'courier_watchdog_health')
                            then 100 else 0 end::numeric as is_covered
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
revoke all on raw_ops.courier_kpis from public;
