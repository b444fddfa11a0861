-- take(pool, failures, odds_touched, pairs, touched, leases, facts, sites[, session]; site, token, lease_s, cap,
--      half_life_s, heat_half_life_s, trial_s, ttl_s, session_s, avoid, offer…)
--     -> {the proxy that was taken, or ''; how many offers were refused before it}
--   pool, failures  of the pool; odds_touched  when what is known of a proxy changed
--   pairs, touched  records of the proxies at this site, and when each changed
--   leases          sorted set of `token proxy`; score = when the pick is given up (s)
--   facts           hash: limit (how hot a pair may be; none: this site has banned nobody), counts
--   sites           sorted set of sites; score = when they picked last (s)
--   session         the proxy that the session has; it is offered before all others, and waited for
--                   while it is only busy
--   cap             so many requests may be in flight through a proxy at a site that bans
--   avoid           proxies that a session leaves, with a blank around each
-- The same take again (its reply was lost) holds a proxy once.
local site, token, lease_s, cap = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local half_life, heat_half_life, trial_s = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ttl, session_s, avoid, OFFERS = ARGV[8], ARGV[9], ARGV[10], 11
local POOL, FAILURES, ODDS_TOUCHED, PAIRS, TOUCHED, LEASES, FACTS, SITES, SESSION = unpack(KEYS)
local at = now()
local limit = tonumber(redis.call('HGET', FACTS, 'limit') or 0)

local function pair_of(proxy)
  local pair = read(PAIRS, proxy, PICKS)
  age(pair, at, half_life, heat_half_life)
  return pair
end

-- Picks that nobody reported on are in flight no longer; nor are those from before a clock was set back.
local function give_up(from, till)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', LEASES, from, till, 'LIMIT', 0, FORGOTTEN)) do
    local proxy = string.match(lease, ' (.*)')
    local pair = pair_of(proxy)
    pair[IN_FLIGHT] = math.max(0, pair[IN_FLIGHT] - 1)
    redis.call('ZREM', LEASES, lease)
    write(PAIRS, TOUCHED, proxy, pair, at, at - ttl)
  end
end
give_up('-inf', at)
give_up(at + LONGEST, '+inf')

-- 'gone', 'busy' or 'free'; with the pair, and the row of failures that a trial may end.
local function standing(proxy)
  local failing = read(FAILURES, proxy, REST)
  local pair = pair_of(proxy)
  if redis.call('HEXISTS', POOL, proxy) == 0 or rests(failing[REST], at) or rests(pair[COOL], at) then
    return 'gone'
  end
  local most = limit
  if pair[MOST] > 0 and (most == 0 or pair[MOST] < most) then
    most = pair[MOST]
  end
  if most > 0 and (pair[HEAT] >= most or pair[IN_FLIGHT] >= cap) then
    return 'busy'
  end
  return 'free', pair, failing
end

local function take(proxy, pair, failing, refused)
  local new = redis.call('ZADD', LEASES, string.format('%.6f', at + lease_s), token .. ' ' .. proxy)
  pair[HEAT], pair[IN_FLIGHT], pair[PICKS] = pair[HEAT] + new, pair[IN_FLIGHT] + new, pair[PICKS] + new
  write(PAIRS, TOUCHED, proxy, pair, at, at - ttl)
  if failing[ROW] > 0 then -- one request at a time tries it
    failing[REST] = at + trial_s
    redis.call('HSET', FAILURES, proxy, line(failing))
    redis.call('ZADD', ODDS_TOUCHED, string.format('%.6f', at), proxy)
  end
  redis.call('EXPIRE', LEASES, ttl) -- it goes with its last lease, and comes back without one
  redis.call('ZADD', SITES, string.format('%.3f', at), site)
  redis.call('HINCRBY', FACTS, 'picks', new)
  if redis.call('TTL', FACTS) < ttl / 2 then
    for _, key in ipairs({PAIRS, TOUCHED, FACTS, SITES}) do
      redis.call('EXPIRE', key, ttl)
    end
    redis.call('ZREMRANGEBYSCORE', SITES, '-inf', string.format('%.3f', at - ttl))
  end
  if SESSION then
    redis.call('SET', SESSION, proxy, 'EX', session_s)
  end
  return {proxy, refused}
end

local bound = SESSION and redis.call('GET', SESSION)
if bound and not string.find(avoid, ' ' .. bound .. ' ', 1, true) then
  local stands, pair, failing = standing(bound)
  if stands == 'free' then
    return take(bound, pair, failing, 0)
  elseif stands == 'busy' then
    return {'', 0}
  end
end
for nth = OFFERS, #ARGV do
  local stands, pair, failing = standing(ARGV[nth])
  if stands == 'free' then
    return take(ARGV[nth], pair, failing, nth - OFFERS)
  end
end
return {'', #ARGV - OFFERS + 1}
