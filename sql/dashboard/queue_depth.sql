select to_char(measured_at, 'FMDD Mon HH24:MI') as at, queue_depth as depth from raw_ops.dashboard_queue_depth order by measured_at
