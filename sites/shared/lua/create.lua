-- create(current, old, record, active, index, ended, due; site, old_id, job_id, definition, seen, moment)
--     -> {1, job_id} made; {0, old_id} the old one is still active; {-1, current id} look again;
--        {-2, ''} somebody else has seen to that moment
--   current   hash site -> id of its newest job
--   old       record of the job that the caller believes to be the newest (id "" for none)
--   record    of the new job
--   active    set of site:job_id that are pending, running or stopping
--   index     sorted set of site:job_id by time of creation
--   ended     set of site:job_id that wait to be drained and retired
--   due       hash site -> the moment of its schedule that was seen to last; it is to be `seen` still, and
--             becomes `moment`; '' for a job that no schedule asks for
local current, old, record, active, index, ended, due = unpack(KEYS)
local site, old_id, job_id, definition, seen, moment = unpack(ARGV)

local newest = redis.call('HGET', current, site) or ''
if newest ~= old_id then
  return {-1, newest}
end
if moment ~= '' then
  if (redis.call('HGET', due, site) or '') ~= seen then
    return {-2, ''}
  end
  redis.call('HSET', due, site, moment)
end
if newest ~= '' then
  if redis.call('SISMEMBER', active, site .. ':' .. newest) == 1 then
    return {0, newest}
  end
  if redis.call('EXISTS', old) == 1 then
    redis.call('SADD', ended, site .. ':' .. newest)
  end
end
if redis.call('EXISTS', record) == 1 then
  return {-1, newest}
end

local time = redis.call('TIME')
local now = string.format('%d.%03d', time[1], math.floor(time[2] / 1000))
redis.call('HSET', record, 'site', site, 'state', 'pending', 'definition', definition,
  'created_at', now, 'items', 0, 'reason', '', 'error', '')
redis.call('HSET', current, site, job_id)
redis.call('SADD', active, site .. ':' .. job_id)
redis.call('ZADD', index, now, site .. ':' .. job_id)
return {1, job_id}
