-- Rowset `repeats`, for those whose first delivery was archived between finding and counting it.
update raw_ops.webhook_inbox_archive as webhook
   set duplicate_count = webhook.duplicate_count + repeats.times
  from repeats
 where webhook.id = repeats.id
   and not exists (select from raw_ops.webhook_inbox as still where still.id = repeats.id)
