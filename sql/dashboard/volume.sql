select to_char(day, 'FMDD Mon') as day, received_count as received from raw_ops.dashboard_daily_volume as days order by days.day
