-- Shared by the scripts of the gate, which are loaded behind this text. All times in µs, of the server's
-- clock; points in time are whole numbers below 2^53, which the server writes out digit by digit when a script
-- hands it one: no script need make a text of it.
--   state   hash: due, pace, set, pause, fence, epoch, until, trials, trips, closed_at, why, w0..w9, cut_at,
--           cut_for, raised_at, fast, slow, kept, queue, back; of a host: due
--   slots   sorted set of holders; score = end of the lease
--   line    sorted set of holders that wait for a slot; score = since when
--   alive   sorted set of the same; score = until when they are thought to live
--   users   sorted set of the processes that use the gate; score = until when they are thought to live
--   terms   string: the limits that one of them goes by, as JSON
-- Those of the site come first in KEYS, then, where a host has limits of its own, those of the host.
local WAITER = 1000000
local LOOK_AGAIN = 50000
-- So many dead waiters are taken out of a line, and so many are called, at once.
local A_FEW = 16
local WEEK_MS = 604800000
-- The server is told only so often, in ms, that what is in use lives on.
local KEEP_EVERY = 30000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- The slots that are free; a lease that ends now has ended.
local function free_of(slots, limit)
  return limit - redis.call('ZCOUNT', slots, now + 1, '+inf')
end

-- Let the state of a site, and its slots, live for `ms` from now at least; so far they do until `kept`. Return
-- until when.
local function keep(state, slots, kept, ms)
  if now + ms * 1000 > kept then
    ms = math.ceil(ms) + KEEP_EVERY
    kept = now + ms * 1000
    redis.call('HSET', state, 'kept', kept)
    redis.call('PEXPIRE', state, ms)
    redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
    redis.call('PEXPIRE', slots, ms)
  end
  return kept
end

-- Take those out of a line who have not looked for so long that they must be dead.
local function drop_dead(line, alive)
  local dead = redis.call('ZRANGEBYSCORE', alive, '-inf', now, 'LIMIT', 0, A_FEW)
  if #dead > 0 then
    redis.call('ZREM', alive, unpack(dead))
    redis.call('ZREM', line, unpack(dead))
  end
end

-- Call as many of those in line as there are free slots: each asks again at once.
local function call_next(slots, line, alive, limit, channel)
  if limit == 0 or redis.call('ZCARD', line) == 0 then
    return
  end
  drop_dead(line, alive)
  local free = math.min(A_FEW, free_of(slots, limit))
  if free > 0 then
    for _, holder in ipairs(redis.call('ZRANGE', line, 0, free - 1)) do
      redis.call('PUBLISH', channel .. string.match(holder, '^[^.]*'), holder)
    end
  end
end

-- How the breaker stands, for a reply: state, epoch, rest and what it rests for.
local function standing(epoch, over, pause)
  if not over and pause <= now then
    return 'closed ' .. epoch .. ' 0 -'
  end
  local rest, why, state = 0, '-', 'closed'
  if over then
    state = over > now and 'open' or 'half-open'
    rest, why = math.max(0, over - now), 'breaker'
  elseif pause > now then
    rest, why = pause - now, 'pause'
  end
  return string.format('%s %.0f %.0f %s', state, epoch, rest, why)
end

-- What was reported in one tenth of the window: which tenth, how many good ones, how many bad ones.
local TENTHS = 10
local function of_tenth(entry)
  local at, good, bad = string.match(entry or '', '(%d+) (%d+) (%d+)')
  return tonumber(at), tonumber(good), tonumber(bad)
end

-- Name a site among those whose gate has a state, for so long (ms) at least: nobody looks for keys.
local function remember(sites, site, ms)
  local until_ms = math.floor(now / 1000 + ms)
  redis.call('ZREMRANGEBYSCORE', sites, '-inf', math.floor(now / 1000))
  if site ~= '' and until_ms > tonumber(redis.call('ZSCORE', sites, site) or 0) then
    redis.call('ZADD', sites, until_ms, site)
  end
  if redis.call('PTTL', sites) < ms then
    redis.call('PEXPIRE', sites, math.floor(ms))
  end
end
