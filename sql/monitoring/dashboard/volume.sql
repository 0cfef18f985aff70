select to_char(day, 'FMDD Mon'), received_count from raw_ops.dashboard_daily_volume order by day
