select to_char(day, 'FMDD Mon'), success_rate_percent::float8, rolling_7_day_success_rate_percent::float8
  from raw_ops.dashboard_success_rate
 order by day
