-- Alerts that are open, and those that have reached nobody.
select (select count(*) from raw_ops.alerts where state = 'open') as open,
       (select count(*) from raw_ops.undelivered_alerts) as undelivered
