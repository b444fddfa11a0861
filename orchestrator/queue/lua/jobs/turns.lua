-- How a lease takes jobs out of the lanes, within the limits. Put before `lease` only.
--   limits   k key -> its limit, K -> that of all other keys, H -> that of each host,
--            changed -> when they were last set (ms)
-- Fruitless looks (at a group, a lane or a blocker) that one call may take, of each kind.
local LOOKS = 64
-- What is blocked is looked at again after so long at the latest, in ms: when limits change, or if the
-- end of a lease was missed.
local AGAIN_MS = 500

local limited = redis.call('EXISTS', limits) == 1

-- How many more leases the limit of a key (k…) or of a host (h…) allows now.
local function room(blocker)
  local kind, name = string.sub(blocker, 1, 1), string.sub(blocker, 2)
  local limit
  if limited and kind == 'k' then
    limit = redis.call('HGET', limits, blocker) or (name ~= '' and redis.call('HGET', limits, 'K'))
  elseif limited and name ~= '' then
    limit = redis.call('HGET', limits, 'H')
  end
  if not limit then
    return math.huge
  end
  local live = redis.call('HGET', tally, kind == 'k' and 'i' .. name or blocker)
  return limit - (live or 0)
end

local function block(blocker, member)
  redis.call('ZADD', waiting, 0, member)
  redis.call('ZADD', blocked, whole(now + AGAIN_MS), blocker)
end

-- Brings back what waits for a blocker that has room, as much as there is room for; returns how many
-- looks that took, `looks` and one at most.
local function bring_back(blocker, looks)
  local spare, host = room(blocker), string.sub(blocker, 1, 1) == 'h' and string.sub(blocker, 2)
  local members, came = {}, 0
  if spare > 0 then
    local from, to = '[' .. blocker .. '\n', '(' .. blocker .. '\11'
    members = redis.call('ZRANGEBYLEX', waiting, from, to, 'LIMIT', 0, looks)
  end
  for _, member in ipairs(members) do
    if spare <= 0 then
      break
    end
    came = came + 1
    redis.call('ZREM', waiting, member)
    local rest = string.sub(member, #blocker + 2)
    local class = string.format('%d', string.sub(rest, 1, 4) - 4000)
    if not host then
      enter(class .. '\n' .. string.sub(blocker, 2), true)
    elseif join(class .. '\n' .. string.sub(rest, 23), host, string.sub(rest, 6, 21), true) then
      spare = spare - 1
    end
  end
  if spare > 0 and #members < looks then
    redis.call('ZREM', blocked, blocker)
  else
    redis.call('ZADD', blocked, whole(now + (spare > 0 and 0 or AGAIN_MS)), blocker)
  end
  return came + 1
end

-- Brings back what may run again; returns whether there is more of it.
local function unblock()
  local due, looks = now, LOOKS
  local changed = redis.call('HGET', limits, 'changed')
  if changed then
    due = math.max(due, changed + AGAIN_MS - 1)
  end
  for _, blocker in ipairs(redis.call('ZRANGEBYSCORE', blocked, '-inf', whole(due), 'LIMIT', 0, LOOKS)) do
    looks = looks - bring_back(blocker, looks)
    if looks <= 0 then
      return true
    end
  end
  return false
end

-- Notes that a group with this tag was served: nobody who comes later may have an earlier one. Each time
-- that goes on by a little: those of the same tag go by their names, and without end some that come back
-- would go before others. Of the groups that left, those to which it makes no difference are forgotten, a
-- few at a time.
local function serve(class, tag)
  local before = served(class)
  local now_at = math.max(before, tag, math.min(before + 1, tag + UNIT - 1))
  redis.call('HSET', counts, 'v' .. class, whole(now_at))
  local low = floor_of(class)
  local past = redis.call('ZRANGEBYSCORE', left, whole(low), whole(low + now_at), 'LIMIT', 0, 8)
  if past[1] then
    redis.call('ZREM', left, unpack(past))
  end
end

-- Takes a group out of the rota; the last of its priority ends a busy period, unless some are blocked:
-- those that were served must not be made equal to them.
local function leave(group, score)
  local low = floor_of((group_of(group)))
  redis.call('ZREM', rota, group)
  redis.call('ZADD', left, whole(score), group)
  if redis.call('ZCOUNT', rota, whole(low), whole(low + TAGS - 1)) == 0
      and redis.call('EXISTS', waiting) == 0 then
    serve(group_of(group), score - low)
  end
end

-- Whether a lane was found that had come back and has no jobs any more: another may have its place.
local stale = false

-- Looks at the lane of a group whose turn it is. Appends the ids that may be leased, `most` at most, to
-- `ids`; `share` is how many of them the group's lanes may have between them.
local function look(group, score, most, share, ids, worker)
  local class, key = group_of(group)
  local from, to = '[' .. group .. '\n', '(' .. group .. '\11'
  most = math.min(most, room('k' .. key))
  if most <= 0 then
    block('k' .. key, 'k' .. key .. '\n' .. rank(class))
    leave(group, score)
    -- The places that were meant for its lanes go to others.
    for _, lane in ipairs(redis.call('ZRANGEBYLEX', ring, from, to, 'LIMIT', 0, LOOKS)) do
      local host = string.sub(lane, #group + 19)
      if host ~= '' and limited then
        make_room('h' .. host)
        stale = true
      end
    end
    return
  end
  local heads = redis.call('ZRANGEBYLEX', ring, from, to, 'LIMIT', 0, 2)
  local head = heads[1]
  if not head then
    leave(group, score)
    return
  end
  local turn, host = string.sub(head, #group + 2, #group + 17), string.sub(head, #group + 19)
  most = math.min(most, room('h' .. host))
  if most <= 0 then
    redis.call('ZREM', ring, head)
    block('h' .. host, 'h' .. host .. '\n' .. rank(class) .. '\n' .. turn .. '\n' .. key)
    if not heads[2] then
      leave(group, score)
    end
    return
  end
  if heads[2] and share > 1 then
    share = math.max(1, math.floor(share / redis.call('ZLEXCOUNT', ring, from, to)))
  end
  most = math.min(most, share)

  local job = as_job(class, key, host)
  local at = place_of(job.lane)
  local low = at.number * TURNS
  local found = redis.call('ZRANGEBYSCORE', ready, whole(low), whole(low + TURNS - 1),
    'WITHSCORES', 'LIMIT', 0, most + 1)
  local count = math.min(most, #found / 2)
  if count > 0 then
    local mine, marks, runs = {}, {}, {}
    for nth = 1, count do
      local id, place = found[2 * nth - 1], found[2 * nth]
      jobs[id] = job
      ids[#ids + 1], mine[nth] = id, id
      marks[2 * nth - 1], marks[2 * nth] = id, 'i'
      runs[2 * nth - 1] = id
      runs[2 * nth] = whole(place - low + at.base) .. ' ' .. whole(now) .. ' ' .. worker
    end
    redis.call('ZREM', ready, unpack(mine))
    redis.call('ZREM', since, unpack(mine))
    redis.call('HSET', state, unpack(marks))
    redis.call('HSET', run, unpack(runs))
    move(job, 'q', 'i', count)
  end
  if count == 0 and host ~= '' then
    make_room('h' .. host)
    stale = true
  end
  serve(class, score - floor_of(class))
  score = score + count * UNIT
  local empty = #found / 2 <= most
  -- The lane goes behind the others of its group, and of its host: they may wait for its limit.
  local behind = heads[2] or (limited and host ~= '')
  if behind or empty then
    redis.call('ZREM', ring, head)
  end
  if empty then
    redis.call('HDEL', lanes, job.lane)
    redis.call('RPUSH', free, at.number)
  elseif behind then
    redis.call('ZADD', ring, 0, group .. '\n' .. next_turn() .. '\n' .. host)
  end
  if empty and not heads[2] then
    leave(group, score)
  else
    redis.call('ZADD', rota, whole(score), group)
  end
end

-- Takes up to `n` ids out of the lanes, and marks them; returns them, and whether to look again.
local function pull(n, worker)
  local ids, looks, more = {}, LOOKS, unblock()
  while #ids < n and looks > 0 do
    local head = redis.call('ZRANGE', rota, 0, 0, 'WITHSCORES')
    if not head[1] then
      return ids, more or stale
    end
    local before, score, share = #ids, tonumber(head[2]), 1
    if n > 1 then
      local low = floor_of((group_of(head[1])))
      local groups = redis.call('ZCOUNT', rota, whole(low), whole(low + TAGS - 1))
      share = math.max(1, math.floor(n / groups))
    end
    look(head[1], score, n - before, share, ids, worker)
    if #ids == before then
      looks = looks - 1
    end
  end
  return ids, more or stale or looks == 0
end
