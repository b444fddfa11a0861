-- report(pool, failures, meta, odds, odds_touched, pairs, touched, leases, facts; proxy, token, outcome,
--        seconds, lease_s, half_life_s, heat_half_life_s, ttl_s, evicted_at, rest_s, rest_factor,
--        longest_rest_s, doubt_s, cool_s, longest_cool_s, safe, down, up, answer_s, failure_s)
--     -> 1, or 0 when the lease has ended: nothing is counted then
--   meta            `usable` goes down when a usable proxy is evicted, and up when it works again
--   odds, odds_t…   tallies of the proxies over all sites, and when each changed
--   others          as in take
--   seconds         what the request took; 0: nobody measured, then as this proxy usually does, or
--                   (answer_s, failure_s) any
-- A ban is the site's answer, so the proxy did its part; only this pair cools down. It teaches how hot a
-- pair of this site may become: `safe` times as hot as this one was, but at most by `down` less than was
-- allowed; whatever goes well near the limit raises it by `up`.
local proxy, token, outcome, seconds = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local lease_s, half_life, heat_half_life = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ttl, evicted_at = tonumber(ARGV[8]), tonumber(ARGV[9])
local rest_s, rest_factor, longest_rest_s = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local doubt_s, cool_s, longest_cool_s = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local safe, down, up = tonumber(ARGV[16]), tonumber(ARGV[17]), tonumber(ARGV[18])
local usual = {[OK] = tonumber(ARGV[19]), [FAILED] = tonumber(ARGV[20])}
local POOL, FAILURES, META, ODDS, ODDS_TOUCHED, PAIRS, TOUCHED, LEASES, FACTS = unpack(KEYS)

local lease = token .. ' ' .. proxy
local ends = tonumber(redis.call('ZSCORE', LEASES, lease) or 0)
if redis.call('ZREM', LEASES, lease) == 0 then
  return 0
end
local at = now()
local pair = read(PAIRS, proxy, PICKS)
age(pair, at, half_life, heat_half_life)
pair[IN_FLIGHT] = math.max(0, pair[IN_FLIGHT] - 1)
redis.call('HINCRBY', FACTS, outcome, 1)

-- Add one to what went well (OK) or not (FAILED).
local function count(record, which)
  local took, sum = seconds, which + OK_S - OK
  if took <= 0 then
    took = record[which] > 0 and record[sum] / record[which] or usual[which]
  end
  record[which], record[sum] = record[which] + 1, record[sum] + took
end

local function lower(most, heat)
  if most == 0 then
    return safe * heat
  end
  return math.min(most, math.max(safe * heat, down * most))
end

local function banned(heat, limit)
  pair[BANS] = pair[BANS] + 1
  pair[COOL] = at + math.min(longest_cool_s, cool_s * 2 ^ (pair[BANS] - 1))
  -- One that is banned from the start, or still, says nothing about how much is too much.
  if pair[BANS] == 1 and heat >= 0.5 then
    pair[MOST] = lower(pair[MOST], heat)
    redis.call('HSET', FACTS, 'limit', line({lower(limit, heat)}))
  end
end

local function went_well(heat, limit)
  pair[BANS] = 0
  if pair[MOST] > 0 and heat >= pair[MOST] / 2 then
    pair[MOST] = pair[MOST] * up
  end
  if limit > 0 and heat >= limit / 2 then
    redis.call('HSET', FACTS, 'limit', line({limit * up}))
  end
end

-- Evict it, or take it back, where that is a change.
local function usable(row, change)
  local record = redis.call('HGET', POOL, proxy)
  if row == evicted_at and record and hides(record) then
    redis.call('HINCRBY', META, 'usable', change)
  end
end

local function failed(failing)
  -- What was on its way already when it failed says nothing new, unless the clock was set back.
  if failing[ROW] > 0 and ends - lease_s < failing[FAILED_AT] and failing[FAILED_AT] <= at then
    return
  end
  failing[ROW], failing[FAILED_AT] = failing[ROW] + 1, at
  failing[REST] = at + math.min(longest_rest_s, rest_s * rest_factor ^ (failing[ROW] - 1))
  redis.call('HSET', FAILURES, proxy, line(failing))
  usable(failing[ROW], -1)
end

local function worked(failing)
  if failing[ROW] > 0 then
    redis.call('HDEL', FAILURES, proxy)
    usable(math.min(failing[ROW], evicted_at), 1)
  end
end

local known = redis.call('HEXISTS', POOL, proxy) == 1
local failing = read(FAILURES, proxy, REST)
if outcome == 'unused' then
  pair[HEAT], pair[PICKS] = math.max(0, pair[HEAT] - 1), pair[PICKS] - 1
  redis.call('HINCRBY', FACTS, 'picks', -1)
  if failing[ROW] > 0 then -- the trial was none
    failing[REST] = at
    redis.call('HSET', FAILURES, proxy, line(failing))
    redis.call('ZADD', ODDS_TOUCHED, string.format('%.6f', at), proxy)
  end
elseif outcome == 'doubted' then
  count(pair, FAILED)
  if not rests(pair[COOL], at) then
    pair[COOL] = at + doubt_s
  end
else
  local which = outcome == 'failed' and FAILED or OK
  local tally = read(ODDS, proxy, WORKED_AT)
  age(tally, at, half_life)
  count(tally, which)
  count(pair, which)
  if which == OK then
    tally[WORKED_AT] = at
    local heat = pair[HEAT] - 1 - pair[IN_FLIGHT]
    local learn = outcome == 'banned' and banned or went_well
    learn(heat, tonumber(redis.call('HGET', FACTS, 'limit') or 0))
  end
  if known then
    write(ODDS, ODDS_TOUCHED, proxy, tally, at, at - ttl)
    if which == OK then
      worked(failing)
    else
      failed(failing)
    end
  end
end
write(PAIRS, TOUCHED, proxy, pair, at, at - ttl)
return 1
