-- How many background processes of libraries run, parallel workers included: those that max_worker_processes is the limit of. Other
-- processes of the server's own have slots of their own.
select count(*) as running, pg_catalog.current_setting('max_worker_processes')::int8 as allowed
  from pg_catalog.pg_stat_activity
 where backend_type not in ('client backend', 'autovacuum launcher', 'autovacuum worker', 'background writer', 'checkpointer', 'walwriter',
                            'walsender', 'walreceiver', 'walsummarizer', 'startup', 'archiver', 'slotsync worker',
                            'standalone backend', 'io worker')
