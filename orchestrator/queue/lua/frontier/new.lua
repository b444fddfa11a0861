-- Known ids are left as they are.
local function add(at)
  local id, class, delay_ms = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  if redis.call('HEXISTS', state, id) == 1 then
    return 0
  end
  redis.call('HSET', payload, id, ARGV[at + 1])
  if class ~= '0' then
    redis.call('HSET', priority, id, class)
  end
  if tonumber(delay_ms) > 0 then
    make_delayed(id, nil, delay_ms)
  else
    make_ready(id)
  end
  return 1
end
