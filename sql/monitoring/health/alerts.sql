-- Alerts that are open, and those that have reached nobody.
select (select count(*) from raw_ops.alerts where state = 'open'),
       (select count(*) from raw_ops.undelivered_alerts),
       (select min(created_at) from raw_ops.undelivered_alerts)
