-- begin(current, last, status, total, completed, started, beat, yield;
--       job, total, lease_ms, yield_ms, ttl_s)
--     -> '' when this refresh begins now, else the id of the one that runs already
--   current    lease of the refresh that runs
--   last       id of the newest refresh
--   status…    fields of this refresh
--   yield      there while chunks wait for slots that shards hold
local job, total, lease, yield, ttl = unpack(ARGV)
local running = redis.call('GET', KEYS[1])
if running then
  return running
end
local at = now()
redis.call('SET', KEYS[1], job, 'PX', lease)
redis.call('SET', KEYS[2], job, 'EX', ttl)
redis.call('SET', KEYS[3], 'DISPATCHED', 'EX', ttl)
redis.call('SET', KEYS[4], total, 'EX', ttl)
redis.call('SET', KEYS[5], 0, 'EX', ttl)
redis.call('SET', KEYS[6], at, 'EX', ttl)
redis.call('SET', KEYS[7], at, 'EX', ttl)
redis.call('SET', KEYS[8], job, 'PX', yield)
return ''
