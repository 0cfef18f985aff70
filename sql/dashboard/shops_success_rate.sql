select shop_domain, to_char(day, 'FMDD Mon') as day, success_rate_percent::float8 as rate,
       rolling_7_day_success_rate_percent::float8 as rolling_rate
  from raw_ops.dashboard_success_rate_by_shop as days
 where shop_domain = any ($1)
 order by shop_domain, days.day
