-- Who is leased next. A lane is (priority, key, host), a group is (priority, key); the text of either is
-- its parts, with line feeds between.
--   ready    jobs by lane and turn: the score is the lane's number * TURNS + turn, below 2^53 exact
--   lanes    lane -> its number and the fence that its turns count from; there while it has jobs
--   ring     the lanes of each group in the order of their turns, as group \n turn \n host
--   rota     the groups that have a lane in the ring and are not blocked; the score is
--            priority * TAGS + tag, and the tag is the start tag of start-time fair queueing: so keys
--            take turns by jobs taken, however many hosts they have (Goyal, Vin, Cheng 1996)
--   left     the finish tags of groups that are not in the rota, as long as they matter
--   waiting  what is blocked by a limit, by what blocks it: k key \n priority, h host \n priority \n turn \n key
--   blocked  what blocks; score = when to look again (ms)
local TAGS, TURNS, MIDDLE, MOST_LANES = 2 ^ 40, 2 ^ 30, 2 ^ 29, 2 ^ 23
local UNIT = 16

local function place_of(lane)
  local text = redis.call('HGET', lanes, lane)
  if text then
    local number, base = string.match(text, '^(%d+):(.*)$')
    return {number = tonumber(number), base = tonumber(base)}
  end
end

local function group_of(text)
  local class, key = string.match(text, '^(.-)\n(.*)$')
  return tonumber(class), key
end

-- Priorities from -4000 to 4000 as texts that sort like them.
local function rank(class)
  return string.format('%04d', class + 4000)
end

local function next_turn()
  return string.format('%016.0f', redis.call('INCR', fence))
end

-- Where the lowest priority of `class` stands in `rota` and `left`.
local function floor_of(class)
  return class * TAGS
end

local function served(class)
  return tonumber(redis.call('HGET', counts, 'v' .. class) or 0)
end

-- Lets a group have its turn, not before those that have waited; false when its key is at its limit.
-- What is new comes a turn behind what is served now; what comes `back` from a limit has waited.
local function enter(group, back)
  if redis.call('ZSCORE', rota, group) then
    return true
  end
  local class, key = group_of(group)
  if redis.call('ZSCORE', waiting, 'k' .. key .. '\n' .. rank(class)) then
    return false
  end
  local last = tonumber(redis.call('ZSCORE', left, group) or floor_of(class))
  local start = math.max(last, floor_of(class) + served(class) + (back and 0 or UNIT))
  redis.call('ZADD', rota, whole(start), group)
  redis.call('ZREM', left, group)
  return true
end

local function join(group, host, turn, back)
  redis.call('ZADD', ring, 0, group .. '\n' .. turn .. '\n' .. host)
  return enter(group, back)
end

-- The place of a lane that gets a job; made when there is none.
local places = {}
local function place(job)
  local found = places[job.lane] or place_of(job.lane)
  if not found then
    local number = redis.call('LPOP', free) or redis.call('HINCRBY', counts, 'lanes', 1)
    if tonumber(number) >= MOST_LANES then
      error('more than ' .. MOST_LANES .. ' pairs of key and host have jobs that are ready')
    end
    found = {number = tonumber(number), base = (redis.call('GET', fence) or 0) - MIDDLE}
    redis.call('HSET', lanes, job.lane, found.number .. ':' .. whole(found.base))
    join(job.group, job.host, next_turn())
  end
  places[job.lane] = found
  return found
end

-- The turn of what comes back unstarted is the one that it was leased at.
local function make_ready(id, from, back)
  local job, turn = job_of(id), nil
  if back then
    turn = string.match(redis.call('HGET', run, id), '^%S+')
    redis.call('HDEL', run, id)
  end
  local at = place(job)
  turn = (turn or redis.call('INCR', fence)) - at.base
  mark(id, from, 'q')
  local score = at.number * TURNS + math.max(0, math.min(turn, TURNS - 1))
  redis.call('ZADD', ready, whole(score), id)
  redis.call('ZADD', since, whole(now), id)
  tell_all()
end

local function make_delayed(id, from, delay_ms)
  if tonumber(delay_ms) <= 0 then
    make_ready(id, from)
    return
  end
  mark(id, from, 'q')
  redis.call('ZADD', delayed, whole(now + delay_ms), id)
  tell_all()
end

-- Lets the lane of a job go if it has none left and is the only one of its group that takes turns. Any
-- other stays until its turn comes.
local function let_go(job)
  local at = place_of(job.lane)
  local low = at and at.number * TURNS
  if not at or redis.call('ZRANGEBYSCORE', ready, whole(low), whole(low + TURNS - 1), 'LIMIT', 0, 1)[1] then
    return
  end
  local from, to = '[' .. job.group .. '\n', '(' .. job.group .. '\11'
  local heads = redis.call('ZRANGEBYLEX', ring, from, to, 'LIMIT', 0, 2)
  if #heads ~= 1 or string.sub(heads[1], #job.group + 19) ~= job.host then
    return
  end
  redis.call('ZREM', ring, heads[1])
  redis.call('HDEL', lanes, job.lane)
  redis.call('RPUSH', free, at.number)
  places[job.lane] = nil
  local score = redis.call('ZSCORE', rota, job.group)
  if score then
    redis.call('ZREM', rota, job.group)
    redis.call('ZADD', left, score, job.group)
  end
end

-- Takes a queued job out of where it waits.
local function take_out(id)
  local was_ready = redis.call('ZREM', ready, id) == 1
  redis.call('ZREM', since, id)
  redis.call('ZREM', delayed, id)
  if was_ready then
    let_go(job_of(id))
  end
end
