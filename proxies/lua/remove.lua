-- remove(pool, failures, added, meta; proxy, limit) -> 1 if it was there, else 0
--   added      hash of proxies that people added
--   meta       live and usable go down with it, the generation goes up
local proxy, limit = ARGV[1], tonumber(ARGV[2])
local record = redis.call('HGET', KEYS[1], proxy)
local failed = tonumber(string.match(redis.call('HGET', KEYS[2], proxy) or '0', '%S+'))
local gone = redis.call('HDEL', KEYS[1], proxy) + redis.call('HDEL', KEYS[3], proxy)
redis.call('HDEL', KEYS[2], proxy)
if record then
  redis.call('HINCRBY', KEYS[4], 'live', -1)
  redis.call('HINCRBY', KEYS[4], 'generation', 1)
  if hides(record) and failed < limit then
    redis.call('HINCRBY', KEYS[4], 'usable', -1)
  end
end
return math.min(gone, 1)
