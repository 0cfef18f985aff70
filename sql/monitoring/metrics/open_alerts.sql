-- By severity.
select severity.name as severity, count(alert.id)::text as alerts
  from unnest(array['critical', 'warning', 'info']) with ordinality as severity (name, position)
  left join raw_ops.alerts as alert on alert.state = 'open' and alert.severity = severity.name
 group by severity.name, severity.position
 order by severity.position
