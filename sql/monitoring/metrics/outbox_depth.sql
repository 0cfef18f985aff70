-- What is to be sent or under way, by state.
select state.name as state, count(request.id)::text as requests
  from unnest(array['queued', 'sending']) with ordinality as state (name, position)
  left join raw_ops.http_requests as request
    on request.state = state.name and request.state in ('queued', 'sending')
 group by state.name, state.position
 order by state.position
