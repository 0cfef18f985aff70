-- Rowset `repeats`: id of the first delivery, how often it came again. Ordered, so that two counters never deadlock.
with first as (
    select webhook.id, repeats.times
      from repeats
      join raw_ops.webhook_inbox as webhook on webhook.id = repeats.id
     order by webhook.id
       for no key update of webhook
)
update raw_ops.webhook_inbox as webhook
   set duplicate_count = webhook.duplicate_count + first.times
  from first
 where webhook.id = first.id
