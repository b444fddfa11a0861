-- release(state, slots, line, alive[, those of the host]; holder, verdict, channel, report, terms)
--     -> 'state epoch rest what-for': how the breaker stands now
--   report   packed doubles: epoch, booked, interval, fence, latency (-1: unknown), retry_after, luck (0.8..1.2)
--   terms    packed doubles: interval, slowest, adaptive, failures, span, ratio, open, open_cap, slots,
--            host_interval, host_slots, ttl_ms
-- The slot is free, whoever waits is called, and the report has said what it says about the site. One of
-- another epoch says nothing about this one.
local state, slots, line, alive = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by_host = #KEYS > 4
local holder, verdict, channel = ARGV[1], ARGV[2], ARGV[3]
local told_epoch, booked, interval, fence, latency, retry_after, luck = struct.unpack('<ddddddd', ARGV[4])
local configured, slowest, adaptive, failures, span, ratio, open, open_cap, limit, host_interval, host_limit, ttl =
  struct.unpack('<dddddddddddd', ARGV[5])
adaptive = adaptive == 1
local SECOND = 1000000

local tenth = math.floor(now * TENTHS / span)
local field = 'w' .. tenth % TENTHS
local known = redis.call('HMGET', state, 'due', 'pace', 'set', 'pause', 'epoch', 'until', 'raised_at', 'fast',
  'slow', field, 'kept', 'queue')
local due, pause, epoch = tonumber(known[1] or 0), tonumber(known[4] or 0), tonumber(known[5] or 0)
local over = known[6] and tonumber(known[6])
local full = configured > 0 and tonumber(known[3] or configured) or 0
local changes = {}

local function change(name, value)
  changes[#changes + 1] = name
  changes[#changes + 1] = value
end

-- Whether it is a trial whose lease has not run out: a late one decides nothing.
local held = over and tonumber(redis.call('ZSCORE', slots, holder) or 0) > now
local left = redis.call('ZREM', slots, holder) == 1
if by_host then
  redis.call('ZREM', KEYS[6], holder)
end

-- Rate: a turn that was not used goes back, once, if nobody booked behind it; else it is lost. Without a slot that
-- is left once, the last one that went back is remembered.
local function leaves_once()
  return left or limit + host_limit == 0 and fence ~= tonumber(redis.call('HGET', state, 'back') or 0)
end
if verdict == 'unused' and leaves_once() then
  change('back', fence)
  if due == booked + interval then
    change('due', booked)
  end
  if host_interval > 0 then
    local host_due = tonumber(redis.call('HGET', KEYS[5], 'due') or 0)
    if host_due == booked + host_interval then
      redis.call('HSET', KEYS[5], 'due', booked)
    end
  end
end
if retry_after > 0 and now + retry_after > pause then
  pause = now + retry_after
  change('pause', pause)
end

-- Adaptive: half the rate when it is too much, a tenth more now and then when it is not.
local function slow_down(times, why)
  local pace = math.max(full, tonumber(known[2] or 0))
  if now >= tonumber(redis.call('HGET', state, 'cut_at') or 0) + math.max(SECOND, 2 * pace) then
    change('pace', math.min(math.max(full, slowest), math.ceil(pace * times)))
    change('cut_at', now)
    change('cut_for', why)
    change('raised_at', now)
  end
end

local function speed_up()
  local pace = tonumber(known[2] or 0)
  if pace == 0 or now < tonumber(known[7] or 0) + math.max(SECOND, 4 * pace) then
    return
  end
  pace = math.ceil(1 / (1 / pace + 1 / full / 10))
  change('raised_at', now)
  change('pace', pace > full and pace or 0)
end

-- Whether answers have become much slower than they used to be.
local function drags()
  if latency < 0 then
    return false
  end
  local fast, slow = tonumber(known[8] or latency), tonumber(known[9] or latency)
  fast, slow = fast + (latency - fast) / 8, slow + (latency - slow) / 128
  change('fast', math.floor(fast))
  change('slow', math.floor(slow))
  return fast > 3 * slow + 100000
end

if adaptive then
  if verdict == 'limited' or verdict == 'ban' then
    slow_down(2, verdict)
  elseif verdict == 'ok' then
    if drags() then
      slow_down(1.25, 'slow')
    else
      speed_up()
    end
  end
end

-- Breaker. What a closed one is told is counted in its tenth of the window.
local bad = verdict == 'failure' or verdict == 'ban'
local judged = bad or verdict == 'ok' or verdict == 'limited'
local current = epoch == told_epoch
local good, wrong = 0, 0
if judged and current and not over then
  local at, good_so_far, wrong_so_far = of_tenth(known[10])
  if at == tenth then
    good, wrong = good_so_far, wrong_so_far
  end
  good, wrong = good + (bad and 0 or 1), wrong + (bad and 1 or 0)
  change(field, string.format('%.0f %d %d', tenth, good, wrong))
end

-- It changes only by what is bad, or while it is not closed.
local gone = {}
if current and (bad or over) then
  local trials, trips, closed_at = unpack(redis.call('HMGET', state, 'trials', 'trips', 'closed_at'))
  trips = tonumber(trips or 0)

  local function forget_window()
    for nth = 0, TENTHS - 1 do
      gone[#gone + 1] = 'w' .. nth
    end
    gone[#gone + 1] = 'trials'
  end

  local function trip(times, why)
    local rest = math.min(open_cap, math.min(open_cap, open * 2 ^ math.min(times - 1, 40)) * luck)
    epoch, over = epoch + 1, now + math.ceil(rest)
    change('epoch', epoch)
    change('until', over)
    change('trips', times)
    change('why', why)
    forget_window()
  end

  if not over then
    for nth = 1, TENTHS - 1 do
      local at, other_good, other_wrong = of_tenth(redis.call('HGET', state, 'w' .. (tenth - nth) % TENTHS))
      if at == tenth - nth then
        good, wrong = good + other_good, wrong + other_wrong
      end
    end
    if wrong >= failures and wrong >= ratio * (good + wrong) then
      local soon = now - tonumber(closed_at or 0) <= span
      local why = string.format('%d of %d requests failed within %g s', wrong, good + wrong, span / SECOND)
      trip((soon and trips or 0) + 1, why)
    end
  elseif held and over <= now and trials then
    local left = {}
    for trial in string.gmatch(trials, '[^\n]+') do
      if trial ~= holder then
        left[#left + 1] = trial
      end
    end
    local tried = table.concat(left, '\n') ~= trials
    if tried and bad then
      trip(trips + 1, 'a trial failed')
    elseif tried and judged then
      epoch, over = epoch + 1, nil
      change('epoch', epoch)
      change('closed_at', now)
      gone = { 'until', 'why' }
      forget_window()
    elseif tried then
      change('trials', table.concat(left, '\n'))
    end
  end
end

if #gone > 0 then
  redis.call('HDEL', state, unpack(gone))
end
if #changes > 0 then
  redis.call('HSET', state, unpack(changes))
  local far = math.max(now, due, pause, over or 0) - now
  keep(state, slots, tonumber(known[11] or 0), (known[3] and WEEK_MS or ttl) + far / 1000)
end
if tonumber(known[12] or 0) > now then
  call_next(slots, line, alive, limit, channel)
end
if by_host then
  call_next(KEYS[6], KEYS[7], KEYS[8], host_limit, channel)
end
return standing(epoch, over, pause)
