select to_char(day, 'FMDD Mon'), open_count, resolved_manual_count from raw_ops.dashboard_dlq_by_day order by day
