-- Slack channels whose last message of the last day was given up, since their URL was set: what is posted there is refused.
select last.destination as secret, last.shop_domain, coalesce(last.error, 'no error recorded') as error, last.completed_at as failed_at
  from (select distinct on (request.destination, request.shop_domain)
               request.destination, request.shop_domain, request.error, request.completed_at, request.state
          from raw_ops.http_requests as request
         where request.purpose = 'alert'
           and request.destination like 'slack\_url\_%'
           and request.completed_at > now() - interval '1 day'
           and request.state in ('succeeded', 'failed', 'abandoned')
         order by request.destination, request.shop_domain, request.completed_at desc) as last
 where last.state = 'abandoned'
   and not exists (select from raw_ops.secrets as anew
                    where anew.name = last.destination
                      and anew.shop_domain in ('', last.shop_domain)
                      and anew.updated_at > last.completed_at)
 order by last.destination, last.shop_domain
