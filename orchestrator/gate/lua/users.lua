-- users(users, sites, terms; instance, for_us, ttl_ms, site, text) -> how many processes use the gate of this site, as text
--   terms   string: `text` of who said it last, the limits that it goes by, for people
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
remember(KEYS[2], ARGV[4], tonumber(ARGV[3]))
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[3], ARGV[5], 'PX', ARGV[3])
end
return tostring(redis.call('ZCARD', KEYS[1]))
