-- A month's partition of the archive. A template for format(): 1 its name, 2 and 3 from and to, 4 the archive's columns,
-- 5 where rows of a month without a partition are, 6 its comment.
create table raw_ops.%1$I (like raw_ops.webhook_inbox_archive including all);
comment on table raw_ops.%1$I is %6$L;
alter table raw_ops.%1$I enable row level security;
revoke all on raw_ops.%1$I from public;
lock table %5$s in access exclusive mode;
with strays as (
    delete from %5$s where created_at >= %2$L and created_at < %3$L returning %4$s
)
insert into raw_ops.%1$I (%4$s) select %4$s from strays;
alter table raw_ops.webhook_inbox_archive attach partition raw_ops.%1$I for values from (%2$L) to (%3$L);
