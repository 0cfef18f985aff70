-- Messages given up, by purpose.
select purpose.name,
       ((select count(*) from raw_ops.http_requests as request
          where request.purpose = purpose.name and request.state = 'abandoned')
        + coalesce((select abandoned from raw_ops.http_request_totals as total where total.purpose = purpose.name), 0))::text
  from unnest(array['alert', 'courier', 'outbound']) as purpose (name)
