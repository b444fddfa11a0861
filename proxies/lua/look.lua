-- look(meta, pool, failures, odds, odds_touched, pairs, touched, facts; generation, since, site_since)
--     -> {now; generation; pool; failures; odds; pairs; limit}
--   pool       all of it, unless `generation` is the one that it has; then all failures and odds, too
--   failures,  odds   of proxies that changed since `since`; pairs that changed since `site_since`
--   limit      how hot a pair of this site may be; '' while it has banned nobody
-- Hashes are lists of keys and values. Times are in seconds on the server's clock; one that was set back
-- shows everything.
local at = now()
local generation = redis.call('HGET', KEYS[1], 'generation') or '0'
-- So many fields are asked for at once: Lua's stack is not for more.
local AT_ONCE = 1000

-- Add the fields `names` of a hash that are there to `found`.
local function fields(found, hash, names)
  for first = 1, #names, AT_ONCE do
    local last = math.min(first + AT_ONCE - 1, #names)
    for nth, text in ipairs(redis.call('HMGET', hash, unpack(names, first, last))) do
      if text then
        found[#found + 1] = names[first + nth - 1]
        found[#found + 1] = text
      end
    end
  end
  return found
end

local function changed(touched, since)
  if since ~= '-inf' and tonumber(since) > at then
    since = '-inf'
  end
  return redis.call('ZRANGEBYSCORE', touched, since, '+inf')
end

local new = generation ~= ARGV[1]
local names = changed(KEYS[5], new and '-inf' or ARGV[2])
return {
  string.format('%.6f', at),
  generation,
  new and redis.call('HGETALL', KEYS[2]) or {},
  new and redis.call('HGETALL', KEYS[3]) or fields({}, KEYS[3], names),
  fields({}, KEYS[4], names),
  fields({}, KEYS[6], changed(KEYS[7], ARGV[3])),
  redis.call('HGET', KEYS[8], 'limit') or '',
}
