-- enqueue(queue…; most, count, then id, payload, priority, delay_ms of each) -> how many were new
--   most   ids that the queue may know, -1 for any number: nothing is added beyond it
--   Idempotent by id: an id that was ever known is left as it is.
return add_all(3, tonumber(ARGV[2]), tonumber(ARGV[1]))
