-- What the verbs of the work queue share; put before each of them.
--   KEYS 1..12: the fields of core.keys.QueueKeys, in their order.
local ready, delayed, leased, payload = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempts, token, state, errors = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local counts, fence, priority, last_error = KEYS[9], KEYS[10], KEYS[11], KEYS[12]

-- Scores of `ready` are priority * TURNS + turn: below 2^53 they are exact.
local TURNS = 2 ^ 40

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Lets `id` be leased: after all others of its priority, or before them when `first`.
local function make_ready(id, first)
  local turn = first and 0 or redis.call('INCR', fence)
  local class = tonumber(redis.call('HGET', priority, id) or 0)
  redis.call('HSET', state, id, 'q')
  redis.call('ZADD', ready, string.format('%.0f', class * TURNS + turn), id)
end

-- Lets `id` wait on the server's clock.
local function make_delayed(id, delay_ms)
  redis.call('HSET', state, id, 'q')
  redis.call('ZADD', delayed, string.format('%.0f', now_ms() + delay_ms), id)
end

-- Adds one job; returns 0 when its id was ever known.
local function add(id, body, class, delay_ms)
  if redis.call('HEXISTS', state, id) == 1 then
    return 0
  end
  redis.call('HSET', payload, id, body)
  if class ~= '0' then
    redis.call('HSET', priority, id, class)
  end
  if tonumber(delay_ms) > 0 then
    make_delayed(id, delay_ms)
  else
    make_ready(id)
  end
  return 1
end

-- Adds `count` jobs that stand in ARGV from `first` on as id, payload, priority, delay_ms, while
-- fewer than `most` ids are known (-1: any number); those that are refused are counted.
local function add_all(first, count, most)
  local known, new, refused = redis.call('HLEN', state), 0, 0
  for at = first, first + 4 * (count - 1), 4 do
    if most < 0 or known + new < most then
      new = new + add(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
    elseif redis.call('HEXISTS', state, ARGV[at]) == 0 then
      refused = refused + 1
    end
  end
  if refused > 0 then
    redis.call('HINCRBY', counts, 'refused', refused)
  end
  return new
end

-- Whether `held` is the current token of `id` and its lease has not run out.
local function holds(id, held)
  if redis.call('HGET', token, id) ~= held then
    return false
  end
  local ends = redis.call('ZSCORE', leased, id)
  return ends and tonumber(ends) > now_ms()
end

local function end_lease(id)
  redis.call('ZREM', leased, id)
  redis.call('HDEL', token, id)
end

-- Ends `id` as done, skipped or error; only its state stays, and why, if there is a reason.
local function finish(id, outcome, reason)
  local tried = tonumber(redis.call('HGET', attempts, id) or 0)
  end_lease(id)
  for _, of_live_jobs in ipairs({payload, attempts, priority, last_error}) do
    redis.call('HDEL', of_live_jobs, id)
  end
  redis.call('HSET', state, id, string.sub(outcome, 1, 1))
  redis.call('HINCRBY', counts, outcome, 1)
  if reason ~= '' then
    redis.call('HSET', errors, id, cjson.encode({reason = reason, attempts = tried}))
  end
end
