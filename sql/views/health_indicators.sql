-- Is all well? ORD, "Health Indicators". Where its ranges touch, the better state has the edge: a queue of 10 is
-- healthy, of 50 a warning. The limits are rows of monitor_thresholds; one switched off is never crossed.
create or replace view raw_ops.health_indicators as
with measured as (
    select health.success_count, health.received_count - health.pending_count as outcome_count,
           health.success_rate_percent, health.p95_processing_ms, health.new_dlq_count, queue.queue_depth
      from raw_ops.webhook_health as health
     cross join raw_ops.retry_queue_depth as queue
), limits as (
    select max(threshold) filter (where condition = 'success_rate' and severity = 'warning') as success_warning,
           max(threshold) filter (where condition = 'success_rate' and severity = 'critical') as success_critical,
           max(threshold) filter (where condition = 'queue_depth' and severity = 'warning') as queue_warning,
           max(threshold) filter (where condition = 'queue_depth' and severity = 'critical') as queue_critical,
           max(threshold) filter (where condition = 'p95_latency' and severity = 'warning') as p95_warning,
           max(threshold) filter (where condition = 'p95_latency' and severity = 'critical') as p95_critical,
           max(threshold) filter (where condition = 'dlq_per_day' and severity = 'warning') as dlq_warning,
           max(threshold) filter (where condition = 'dlq_per_day' and severity = 'critical') as dlq_critical
      from (select condition, severity, trim_scale(threshold) as threshold
              from raw_ops.monitor_thresholds
             where check_name = 'health_indicators' and enabled) as enabled
), indicators as (
    select indicator.*
      from measured as m
     cross join limits as l
     cross join lateral (values
           (1, 'success_rate', m.success_rate_percent, '%',
            case when m.success_count < l.success_critical / 100 * m.outcome_count then 'critical'
                 when m.outcome_count > 0 and m.success_count <= l.success_warning / 100 * m.outcome_count then 'warning'
                 else 'healthy' end,
            concat('> ', l.success_warning), concat(l.success_critical, ' to ', l.success_warning),
            concat('< ', l.success_critical)),
           (2, 'queue_depth', m.queue_depth::numeric, 'webhooks',
            case when m.queue_depth > l.queue_critical then 'critical' when m.queue_depth > l.queue_warning then 'warning'
                 else 'healthy' end,
            concat('0 to ', l.queue_warning), concat(l.queue_warning + 1, ' to ', l.queue_critical),
            concat('> ', l.queue_critical)),
           (3, 'p95_latency', m.p95_processing_ms, 'milliseconds',
            case when m.p95_processing_ms > l.p95_critical then 'critical'
                 when m.p95_processing_ms >= l.p95_warning then 'warning' else 'healthy' end,
            concat('< ', l.p95_warning), concat(l.p95_warning, ' to ', l.p95_critical), concat('> ', l.p95_critical)),
           (4, 'dlq_per_day', m.new_dlq_count::numeric, 'dead letters',
            case when m.new_dlq_count > l.dlq_critical then 'critical' when m.new_dlq_count > l.dlq_warning then 'warning'
                 else 'healthy' end,
            case l.dlq_warning when 0 then '0' else concat('0 to ', l.dlq_warning) end,
            concat(l.dlq_warning + 1, ' to ', l.dlq_critical), concat(l.dlq_critical + 1, ' or more')))
           as indicator (place, indicator, value, unit, state, healthy, warning, critical)
)
select indicator, value, unit, state, healthy, warning, critical
  from (select * from indicators
        union all
        select 5, 'overall', null, null,
               case when bool_or(state = 'critical') then 'critical' when bool_or(state = 'warning') then 'warning'
                    else 'healthy' end, 'all healthy', 'at least one warning', 'at least one critical'
          from indicators) as rows
 order by place;
comment on view raw_ops.health_indicators is
    'ORD''s table of health: success rate, P95 latency and new dead letters of the last 24 hours and the queue now, each healthy (green), warning (yellow) or critical (red); the row overall is the worst of them.';
comment on column raw_ops.health_indicators.value is 'In unit; null when there is nothing to measure, which is healthy. Null for overall.';
comment on column raw_ops.health_indicators.state is 'healthy, warning or critical.';
comment on column raw_ops.health_indicators.healthy is 'The values that are healthy; warning and critical likewise.';
revoke all on raw_ops.health_indicators from public;
