-- Tables of settings without a single row, without which nothing is tried again or watched. Others may be meant to be empty.
select 'retry_schedule' as name where not exists (select from raw_ops.retry_schedule)
 union all
select 'monitors' where not exists (select from raw_ops.monitors)
 union all
select 'monitor_thresholds' where not exists (select from raw_ops.monitor_thresholds)
