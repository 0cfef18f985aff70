-- $1 how old; null: as raw_ops.log_retention says. Returns the time before which webhooks are archived, whether the age
-- is a negative one, and the age as text.
select now() - age.older_than as cutoff, age.older_than < interval '0' as is_negative, age.older_than::text
  from (select coalesce($1, (select keep_for from raw_ops.log_retention where log_name = 'webhook_inbox'),
                        interval '90 days') as older_than) as age
