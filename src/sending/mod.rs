//! Sending: the transactional outbox `http_requests` and its carriers.
