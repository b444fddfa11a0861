-- beat(current, status, total, checked, beat, yield; job, index, checked, lease_ms, ttl_s)
--     -> 1 while the refresh is wanted, 0 when it has ended or is not known
--   current    lease of the refresh that runs; renewed for this one
--   status     DISPATCHED becomes PROCESSING
--   checked    hash index of a chunk -> candidates checked in it
--   beat       when a chunk last gave a sign of life (s, server clock)
--   yield      no longer wanted when every chunk has a slot
local job, index, checked, lease, ttl = unpack(ARGV)
if not open(redis.call('GET', KEYS[2])) then
  return 0
end
redis.call('SET', KEYS[2], 'PROCESSING', 'EX', ttl)
redis.call('HSET', KEYS[4], index, checked)
redis.call('EXPIRE', KEYS[4], ttl)
redis.call('SET', KEYS[5], now(), 'EX', ttl)
renew(KEYS[1], job, lease)
if redis.call('HLEN', KEYS[4]) >= tonumber(redis.call('GET', KEYS[3]) or 0) then
  give_back(KEYS[6], job)
end
return 1
