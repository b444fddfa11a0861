-- keep(current, last, status, total, checked, yield; job, lease_ms, yield_ms) -> 1 while the refresh runs
--   current    its lease, renewed by whoever waits for it
--   last       id of the newest refresh
--   checked    hash index -> …, of the chunks that have a slot
--   yield      there while others still wait for one
local job, lease, yield = unpack(ARGV)
if not open(redis.call('GET', KEYS[3])) then
  return 0
end
renew(KEYS[1], KEYS[2], job, lease)
if redis.call('HLEN', KEYS[5]) < tonumber(redis.call('GET', KEYS[4]) or 0) then
  redis.call('SET', KEYS[6], job, 'PX', yield)
end
return 1
