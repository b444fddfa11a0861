-- admit(state, slots, line, alive[, those of the host]; holder, ask, terms)
--     -> '1' and packed whole numbers of 8 bytes: wait, fence, due, epoch, trial, interval; or '0 wait reason since'
--   ask     packed doubles: max_wait, queues, since, seen, ahead
--   terms   packed doubles: interval, burst, slots, lease, trials, adaptive, host_interval, host_burst, host_slots,
--           ttl_ms
-- Breaker, slots and rate, in this order. If the wait for the rate is at most max_wait, that point in time
-- is booked and the caller sleeps until then; an interval of 0 is no limit. A refusal writes nothing, but for a
-- place in line if `queues`. `seen` is the last point in time that was booked for the caller's process, `ahead`
-- how far ahead that is by the caller's clock: a server that knows of nothing so late has lost what it knew.
local state, slots, line, alive = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by_host = #KEYS > 4
local holder = ARGV[1]
local max_wait, queues, since, seen, ahead = struct.unpack('<ddddd', ARGV[2])
local configured, burst, limit, lease, most_trials, adaptive, host_interval, host_burst, host_limit, ttl =
  struct.unpack('<dddddddddd', ARGV[3])
queues, adaptive = queues == 1, adaptive == 1
host_limit = by_host and host_limit or 0

local known =
  redis.call('HMGET', state, 'due', 'pace', 'set', 'pause', 'fence', 'epoch', 'until', 'trials', 'kept', 'queue')
local epoch, fence, kept = tonumber(known[6] or 0), tonumber(known[5] or 0), tonumber(known[9] or 0)
-- Until when somebody may be in line, as all look again within that time or are dead.
local queue = tonumber(known[10] or 0)

local function leave_line()
  redis.call('ZREM', line, holder)
  redis.call('ZREM', alive, holder)
  if by_host then
    redis.call('ZREM', KEYS[7], holder)
    redis.call('ZREM', KEYS[8], holder)
  end
end

local function refused(wait, reason)
  if queues or since > 0 then
    leave_line()
  end
  return string.format('0 %.0f %s 0', wait, reason)
end

-- Breaker: the trials that live, and when the first of them ends.
local trials = {}
if known[7] then
  local over = tonumber(known[7])
  if over > now then
    return refused(over - now, 'breaker')
  end
  local rest = LOOK_AGAIN
  for trial in string.gmatch(known[8] or '', '[^\n]+') do
    local ends = tonumber(redis.call('ZSCORE', slots, trial) or 0)
    if ends > now and trial ~= holder then
      trials[#trials + 1] = trial
      rest = math.min(rest, ends - now)
    end
  end
  if #trials >= most_trials then
    return refused(rest, 'breaker')
  end
  trials[#trials + 1] = holder
end

-- Slots: one may be taken by whom the free ones reach in line. Return the refusal, if any, and how many are held.
local function lacks(of_slots, of_line, of_alive, most, may_wait)
  if most == 0 then
    return nil, 0
  end
  local free = free_of(of_slots, most)
  local ahead = may_wait and redis.call('ZCARD', of_line) or 0
  if ahead > 0 then
    drop_dead(of_line, of_alive)
    ahead = redis.call('ZRANK', of_line, holder) or redis.call('ZCARD', of_line)
  end
  -- Whoever has one and asks once more, because the answer was lost, keeps it.
  if free > ahead or tonumber(redis.call('ZSCORE', of_slots, holder) or 0) > now then
    return nil, most - free
  end
  local first = redis.call('ZRANGEBYSCORE', of_slots, now + 1, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local wait = math.min(LOOK_AGAIN, first[2] and tonumber(first[2]) - now or LOOK_AGAIN)
  if not queues then
    return string.format('0 %.0f slot 0', wait)
  end
  since = since > 0 and since or now
  leave_line()
  redis.call('ZADD', of_line, since, holder)
  redis.call('ZADD', of_alive, now + WAITER, holder)
  redis.call('PEXPIRE', of_line, ttl)
  redis.call('PEXPIRE', of_alive, ttl)
  redis.call('HSET', state, 'queue', now + WAITER)
  keep(state, slots, kept, ttl)
  return string.format('0 %.0f slot %.0f', wait, since)
end

local missing, held = lacks(slots, line, alive, limit, queue > now)
if not missing and host_limit > 0 then
  missing = lacks(KEYS[6], KEYS[7], KEYS[8], host_limit, true)
end
if missing then
  return missing
end

-- Rate: when the next one is due if the burst is used up (GCRA's theoretical arrival time).
-- The burst is measured by the shortest interval, so that it is none too much while the interval changes.
local full = configured > 0 and tonumber(known[3] or configured) or 0
local interval = adaptive and math.max(full, tonumber(known[2] or 0)) or full
local due, pause = full > 0 and tonumber(known[1] or 0) or 0, tonumber(known[4] or 0)
if full > 0 and due < seen and seen > now - ttl * 1000 then -- what is older has expired and is not lost
  -- Others know of bookings as far ahead as the caller's: those go first. When that is over, it is over.
  due = math.max(due, now + ahead + interval)
end
-- A burst is not larger because the pace is slower.
local own = math.max(0, due - (burst - 1) * math.min(interval, configured) - now)
local wait = math.max(own, pause - now)
local host_due = 0
if host_interval > 0 then
  host_due = tonumber(redis.call('HGET', KEYS[5], 'due') or 0)
  local of_host = host_due - (host_burst - 1) * host_interval - now
  -- A busy host must not hold up the line of the whole site: who waits for it books when it is near.
  if of_host > wait + interval then
    return refused(of_host, 'rate')
  end
  wait = math.max(wait, of_host)
end
if wait > max_wait then
  return refused(wait, pause - now > own and 'pause' or 'rate')
end

local booked = now + wait
fence = math.max(fence + 1, now)
if full > 0 then
  due = math.max(due, booked) + interval
  redis.call('HSET', state, 'due', due, 'fence', fence)
else
  redis.call('HSET', state, 'fence', fence)
end
if known[7] then
  redis.call('HSET', state, 'trials', table.concat(trials, '\n'))
end
local far = math.max(due, pause, booked + lease) - now
kept = keep(state, slots, kept, (known[3] and WEEK_MS or ttl) + far / 1000)
if limit > 0 or host_limit > 0 or known[7] then
  redis.call('ZADD', slots, booked + lease, holder)
  if held == 0 then -- a set that nobody was in is new
    redis.call('PEXPIRE', slots, math.ceil((kept - now) / 1000))
  end
end
if host_interval > 0 then
  host_due = math.max(host_due, booked) + host_interval
  redis.call('HSET', KEYS[5], 'due', host_due)
  redis.call('PEXPIRE', KEYS[5], math.ceil(ttl + (host_due - now) / 1000))
end
if host_limit > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
  redis.call('ZADD', KEYS[6], booked + lease, holder)
  redis.call('PEXPIRE', KEYS[6], math.ceil(ttl + (wait + lease) / 1000))
end
if queues or since > 0 then
  leave_line()
end
return '1' .. struct.pack('<i8i8i8i8i8i8', wait, fence, booked, epoch, known[7] and 1 or 0, interval)
