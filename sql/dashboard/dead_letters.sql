select to_char(day, 'FMDD Mon') as day, open_count as open, resolved_manual_count as settled from raw_ops.dashboard_dlq_by_day as days order by days.day
