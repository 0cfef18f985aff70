-- Attempts whose sender is dead: the lease has run out, or $1: every one of the builtin carrier, since a sender that
-- has just started knows that it sent none of them.
select id, purpose, destination, attempt
  from raw_ops.http_requests
 where state = 'sending'
   and (lease_until <= clock_timestamp() or ($1 and carrier = 'builtin'))
 order by id
 limit 1000
   for no key update skip locked
