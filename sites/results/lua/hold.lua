-- hold(lease; token, ttl_ms) -> 1 the lease is the token's, 0 it is somebody else's
--   lease   string: the token of its holder; expires with the lease
-- Takes a free lease, renews one's own, and with ttl_ms 0 gives one's own back.
local lease, token, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
local holder = redis.call('GET', lease)
if holder and holder ~= token then
  return 0
end
if ttl > 0 then
  redis.call('SET', lease, token, 'PX', ttl)
else
  redis.call('DEL', lease)
end
return 1
