-- Is all well? ORD, "Health Indicators". Where its ranges touch, the better state has the edge: a queue of 10 is
-- healthy, of 50 a warning.
create or replace view raw_ops.health_indicators as
with measured as (
    select health.success_count, health.received_count - health.pending_count as outcome_count,
           health.success_rate_percent, health.p95_processing_ms, health.new_dlq_count, queue.queue_depth
      from raw_ops.webhook_health as health
     cross join raw_ops.retry_queue_depth as queue
), indicators as (
    select indicator.*
      from measured as m
     cross join lateral (values
           (1, 'success_rate', m.success_rate_percent, '%',
            case when m.outcome_count = 0 or m.success_count > 0.99 * m.outcome_count then 'healthy'
                 when m.success_count >= 0.95 * m.outcome_count then 'warning' else 'critical' end,
            '> 99', '95 to 99', '< 95'),
           (2, 'queue_depth', m.queue_depth::numeric, 'webhooks',
            case when m.queue_depth <= 10 then 'healthy' when m.queue_depth <= 50 then 'warning' else 'critical' end,
            '0 to 10', '11 to 50', '> 50'),
           (3, 'p95_latency', m.p95_processing_ms, 'milliseconds',
            case when m.p95_processing_ms > 3000 then 'critical' when m.p95_processing_ms >= 1000 then 'warning'
                 else 'healthy' end,
            '< 1000', '1000 to 3000', '> 3000'),
           (4, 'dlq_per_day', m.new_dlq_count::numeric, 'dead letters',
            case when m.new_dlq_count = 0 then 'healthy' when m.new_dlq_count <= 2 then 'warning' else 'critical' end,
            '0', '1 to 2', '3 or more'))
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
