-- enqueue(queue…; count, then id, payload, priority, delay_ms of each) -> how many were new
--   Idempotent by id: an id that was ever known is left as it is.
return add_all(2, tonumber(ARGV[1]))
