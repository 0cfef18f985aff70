-- $1 rows at most. One that still waits for what it is about stays.
delete from raw_ops.webhook_elements
 where id in (
       select element.id
         from raw_ops.webhook_elements as element
        where element.created_at < now() - (
                  select keep_for from raw_ops.log_retention where log_name = 'webhook_elements')
          and (element.state <> 'waiting' or element.waits_until < now())
        order by element.created_at
        limit $1
          for update of element skip locked)
