-- enqueue(queue…; conflict, most, count, then the words of each new job) -> how many were new
--   conflict   ignore, update or requeue: what becomes of known ids; a frontier ignores them
--   most       ids that the queue may know, -1 for any number: nothing is added beyond it
return add_all(4, tonumber(ARGV[3]), tonumber(ARGV[2]), ARGV[1])
