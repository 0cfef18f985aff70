-- Is all well? ORD, "Health Indicators". Where its ranges touch, the better state has the edge: a queue of 10 is
-- healthy, of 50 a warning. The limits are rows of monitor_thresholds; one that is switched off is never crossed.
create or replace view raw_ops.health_indicators as
with measured as (
    select health.success_count, health.received_count - health.pending_count as outcome_count,
           health.success_rate_percent, health.p95_processing_ms, health.new_dlq_count, queue.queue_depth
      from raw_ops.webhook_health as health
     cross join raw_ops.retry_queue_depth as queue
), limits as (
    select condition, max(trim_scale(threshold)) filter (where severity = 'warning') as warning,
           max(trim_scale(threshold)) filter (where severity = 'critical') as critical
      from raw_ops.monitor_thresholds
     where check_name = 'health_indicators' and enabled
     group by condition
), figures as (
    select figure.place, figure.indicator, figure.value, figure.unit, m.success_count, m.outcome_count,
           l.warning as w, l.critical as c, floor(l.warning) as last_healthy, floor(l.critical) as last_warning
      from measured as m
     cross join lateral (values
           (1, 'success_rate', m.success_rate_percent, '%'),
           (2, 'queue_depth', m.queue_depth::numeric, 'webhooks'),
           (3, 'p95_latency', m.p95_processing_ms, 'milliseconds'),
           (4, 'dlq_per_day', m.new_dlq_count::numeric, 'dead letters')) as figure (place, indicator, value, unit)
      left join limits as l on l.condition = figure.indicator
), indicators as (
    select place, indicator, value, unit,
           case indicator
               when 'success_rate' then
                   case when success_count < c / 100 * outcome_count then 'critical'
                        when outcome_count > 0 and success_count <= w / 100 * outcome_count then 'warning'
                        else 'healthy' end
               when 'p95_latency' then
                   case when value > c then 'critical' when value >= w then 'warning' else 'healthy' end
               else
                   case when value > c then 'critical' when value > w then 'warning' else 'healthy' end
           end as state,
           case indicator
               when 'success_rate' then
                   case when w >= coalesce(c, w) then '> ' || w else coalesce('>= ' || c, 'any') end
               when 'p95_latency' then
                   case when w <= coalesce(c, w) then '< ' || w else coalesce('<= ' || c, 'any') end
               else
                   coalesce(case least(last_healthy, last_warning) when 0 then '0'
                            else '0 to ' || least(last_healthy, last_warning) end, 'any')
           end as healthy,
           case indicator
               when 'success_rate' then
                   case when w >= c then c || ' to ' || w when c is null then coalesce('<= ' || w, 'none') else 'none' end
               when 'p95_latency' then
                   case when w <= c then w || ' to ' || c when c is null then coalesce('>= ' || w, 'none') else 'none' end
               else
                   case when last_warning = last_healthy + 1 then last_warning::text
                        when last_warning > last_healthy then (last_healthy + 1) || ' to ' || last_warning
                        when c is null then coalesce('> ' || last_healthy, 'none') else 'none' end
           end as warning,
           case indicator
               when 'success_rate' then coalesce('< ' || c, 'none')
               when 'dlq_per_day' then coalesce((last_warning + 1) || ' or more', 'none')
               when 'queue_depth' then coalesce('> ' || last_warning, 'none')
               else coalesce('> ' || c, 'none')
           end as critical
      from figures
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
comment on column raw_ops.health_indicators.healthy is 'The values that are healthy; warning and critical likewise. any, none: no limit is set.';
revoke all on raw_ops.health_indicators from public;
