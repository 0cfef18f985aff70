-- Is processing too slow? ORD.
create or replace view raw_ops.alert_slow_processing as
select limits.condition, measured.value, limits.threshold, limits.unit, limits.severity, limits.lookback, measured.processed_count
  from raw_ops.monitor_thresholds as limits
 cross join lateral (
       select case limits.condition
                  when 'max_latency' then max(processing_duration_ms)::numeric
                  else (percentile_cont(0.95) within group (order by processing_duration_ms))::numeric
              end as value,
              count(processing_duration_ms) as processed_count
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= now() - limits.lookback) as measured
 where limits.check_name = 'webhook_health' and limits.condition in ('p95_latency', 'max_latency') and limits.enabled
   and measured.value > limits.threshold;
comment on view raw_ops.alert_slow_processing is
    'Empty while all is well: rows only if, within the lookback, the 95th percentile of processing times or the longest is over monitor_thresholds'' (5,000 and 10,000 ms).';
comment on column raw_ops.alert_slow_processing.condition is 'p95_latency or max_latency: what is over its threshold.';
comment on column raw_ops.alert_slow_processing.value is 'In unit, as is threshold.';
comment on column raw_ops.alert_slow_processing.lookback is 'Webhooks received within this time from now are looked at.';
comment on column raw_ops.alert_slow_processing.processed_count is 'How many webhooks the value is taken from.';
revoke all on raw_ops.alert_slow_processing from public;
