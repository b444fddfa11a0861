-- One lane, by priority and arrival. Scores of `ready` are priority * TURNS + turn: below 2^53 they are
-- exact. What comes back unstarted is the first of its priority.
local TURNS = 2 ^ 40

local function make_ready(id, from, back)
  local turn = back and 0 or redis.call('INCR', fence)
  local class = tonumber(redis.call('HGET', priority, id) or 0)
  if from ~= 'q' then
    redis.call('HSET', state, id, 'q')
  end
  redis.call('ZADD', ready, whole(class * TURNS + turn), id)
end

local function make_delayed(id, from, delay_ms)
  redis.call('HSET', state, id, 'q')
  redis.call('ZADD', delayed, whole(now + delay_ms), id)
end
