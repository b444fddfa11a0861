-- Adds `count` jobs that stand in ARGV from `first` on, while fewer than `most` ids are known (-1: any
-- number); those that are refused are counted.
local function add_all(first, count, most, conflict)
  local known, new, refused = most >= 0 and redis.call('HLEN', state), 0, 0
  for at = first, first + WORDS * (count - 1), WORDS do
    if most < 0 or known + new < most then
      new = new + add(at, conflict)
    elseif redis.call('HEXISTS', state, ARGV[at]) == 0 then
      refused = refused + 1
    end
  end
  if refused > 0 then
    redis.call('HINCRBY', counts, 'refused', refused)
  end
  return new
end
