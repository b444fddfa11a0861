-- again(queue…, record, shards, active, ended, results, current; site, id, from…, '', then page, payload, counter of each)
--     -> {pages queued anew, state of the job}
--   record … results   as in `moving.lua`, which is put before this, as are the parts of the queue
--   current            hash site -> id of its newest job: no other one may go on
--   from…              the states from which a job may become pending
--   payload            what is known of the page, for one of which the queue has kept nothing
--   counter            what else it has counted as in the record; '' for nothing
-- Only pages that ended as error or skipped; and a job that has ended is pending again, in the same step.
local record, shards, active, ended, results, current = unpack(KEYS, OWN)
local site, id = ARGV[1], ARGV[2]
local was = redis.call('HGET', record, 'state')
if not was or redis.call('HGET', current, site) ~= id then
  return {0, was or ''}
end

local from, at = {}, 3
while ARGV[at] ~= '' do
  from[#from + 1] = ARGV[at]
  at = at + 1
end

local queued = 0
for word = at + 1, #ARGV, 3 do
  local page = ARGV[word]
  local how = redis.call('HGET', state, page)
  if how == 'e' or how == 's' then
    unfinish(page, how, ARGV[word + 1])
    make_ready(page, how)
    queued = queued + 1
    if ARGV[word + 2] ~= '' then
      redis.call('HINCRBY', record, ARGV[word + 2], -1)
    end
  end
end
if queued == 0 or was == 'pending' or was == 'running' then
  return {queued, was}
end

-- It holds work again: nothing of it expires.
local member = site .. ':' .. id
redis.call('SREM', ended, member)
for key = 1, OWN + 1 do
  redis.call('PERSIST', KEYS[key])
end
redis.call('HSET', record, 'error', '')
local moved = move_job(record, shards, active, ended, results, {}, member, 'pending', '', 'active', '0', from)
return {queued, moved[2]}
