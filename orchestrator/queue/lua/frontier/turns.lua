-- Takes up to `n` ids from the head of the lane; returns them, and whether to look again.
local function pull(n)
  local popped = redis.call('ZPOPMIN', ready, n)
  local count = #popped / 2
  for at = 1, count do
    popped[at] = popped[2 * at - 1]
    redis.call('HSET', state, popped[at], 'i')
  end
  for at = #popped, count + 1, -1 do
    popped[at] = nil
  end
  return popped, false
end
