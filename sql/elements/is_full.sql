-- $1 how many more, $2 most: whether so many more elements would be too many to wait.
select $1 + (select count(*)
               from (select from raw_ops.webhook_elements where state = 'waiting' limit $2) as waiting) > $2
