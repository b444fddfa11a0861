-- report(pool, failures, meta; proxy, ok, limit) -> failures in a row
--   pool       hash of proxies; a proxy that is not in it is not counted
--   failures   hash proxy -> failures in a row
--   meta       `usable` goes down when a usable proxy reaches `limit`, and up when it works again
-- A proxy that reached the limit is evicted: not usable until it works again or a refresh says so.
local proxy, ok, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local record = redis.call('HGET', KEYS[1], proxy)
if not record then
  return 0
end
local before = tonumber(redis.call('HGET', KEYS[2], proxy) or 0)
local after = 0
if ok == '1' then
  redis.call('HDEL', KEYS[2], proxy)
else
  after = redis.call('HINCRBY', KEYS[2], proxy, 1)
end
if hides(record) then
  if before < limit and after >= limit then
    redis.call('HINCRBY', KEYS[3], 'usable', -1)
  elseif before >= limit and after < limit then
    redis.call('HINCRBY', KEYS[3], 'usable', 1)
  end
end
return after
