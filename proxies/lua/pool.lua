-- What the scripts that change the pool share.

-- Put the pool that was staged (none at all is an empty one) in the place of the old one, and say so
-- in `meta`; return the new generation, which is higher than `floor` and than every one before.
local function swap(pool, staged, failures, meta, floor, facts)
  local generation = tonumber(redis.call('HGET', meta, 'generation') or 0)
  generation = math.max(generation, floor) + 1
  redis.call('UNLINK', pool, failures)
  if redis.call('EXISTS', staged) == 1 then
    redis.call('RENAME', staged, pool)
    redis.call('PERSIST', pool)
  end
  redis.call('HSET', meta, 'generation', generation, unpack(facts))
  return generation
end

-- Whether a record (JSON) is of a proxy that hides us.
local function hides(record)
  return cjson.decode(record).anonymity ~= 'transparent'
end
