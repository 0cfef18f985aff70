-- By severity.
select severity.name, count(alert.id)::text
  from unnest(array['critical', 'warning', 'info']) with ordinality as severity (name, position)
  left join raw_ops.alerts as alert on alert.state = 'open' and alert.severity = severity.name
 group by severity.name, severity.position
 order by severity.position
