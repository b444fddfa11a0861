-- begin(current, last, status, total, completed, started, yield, before, before_summary;
--       job, total, lease_ms, yield_ms, ttl_s, given_up)
--     -> '' when this refresh begins now, else the id of the one that runs already
--   current    lease of the refresh that runs
--   last       id of the newest refresh
--   status…    fields of this refresh
--   yield      there while chunks wait for slots that shards hold
--   before…    of the refresh before: one that nobody works on or waits for (its lease ran out) is
--              given up, so that its chunks do nothing when a worker takes them after all
local job, total, lease, yield, ttl, given_up = unpack(ARGV)
local running = redis.call('GET', KEYS[1])
if running then
  return running
end
if open(redis.call('GET', KEYS[8])) then
  redis.call('SET', KEYS[8], 'FAILED', 'EX', ttl)
  redis.call('SET', KEYS[9], given_up, 'EX', ttl)
end
redis.call('SET', KEYS[1], job, 'PX', lease)
redis.call('SET', KEYS[2], job, 'EX', ttl)
redis.call('SET', KEYS[3], 'DISPATCHED', 'EX', ttl)
redis.call('SET', KEYS[4], total, 'EX', ttl)
redis.call('SET', KEYS[5], 0, 'EX', ttl)
redis.call('SET', KEYS[6], now(), 'EX', ttl)
redis.call('SET', KEYS[7], job, 'PX', yield)
return ''
