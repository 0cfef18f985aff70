//! Moving webhooks that are done with into `webhook_inbox_archive`.
