-- $1 rows at most: bodies that no request is left for.
delete from raw_ops.http_bodies
 where id in (
       select body.id
         from raw_ops.http_bodies as body
        where not exists (select from raw_ops.http_requests as request where request.body_id = body.id)
        limit $1
          for update of body skip locked)
