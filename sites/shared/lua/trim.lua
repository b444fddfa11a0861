-- trim(results, bytes, record…; entry id, place of its record (1…; 0: none), items, counter, …) -> entries removed
--   results   stream of what is not drained
--   bytes     counter of what waits in it
--   record…   hashes of the jobs' facts
--   counter   what else the page counts as in its record; '' for nothing
-- An entry that is gone already changes nothing.
local results, bytes = KEYS[1], KEYS[2]
local removed, freed = 0, 0
for at = 1, #ARGV, 4 do
  local id, place, items, counter = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3]
  local record = place > 0 and KEYS[2 + place]
  local entry = redis.call('XRANGE', results, id, id)[1]
  if entry then
    for field = 1, #entry[2], 2 do
      if entry[2][field] == 'bytes' then
        freed = freed + tonumber(entry[2][field + 1])
      end
    end
    redis.call('XDEL', results, id)
    removed = removed + 1
    if record and redis.call('EXISTS', record) == 1 then
      redis.call('HINCRBY', record, 'items', items)
      if counter ~= '' then
        redis.call('HINCRBY', record, counter, 1)
      end
    end
  end
end
if redis.call('DECRBY', bytes, freed) < 0 then
  redis.call('SET', bytes, 0)
end
return removed
