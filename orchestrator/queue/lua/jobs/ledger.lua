-- What is known of each job, counted by key and host.

-- Failed attempts that are remembered.
local REMEMBERED = 10

-- What never changes while a job waits or is leased, read once for each call.
local jobs = {}

local function as_job(class, key, host, at)
  local group = class .. '\n' .. key
  return {class = class, key = key, host = host, at = at, group = group, lane = group .. '\n' .. host}
end

local function job_of(id)
  if not jobs[id] then
    local text = redis.call('HGET', about, id)
    jobs[id] = as_job(string.match(text, '^(.-)\n(.-)\n(.-)\n(.*)$'))
  end
  return jobs[id]
end

local function describe(id, class, key, host)
  jobs[id] = as_job(class, key, host, whole(now))
  redis.call('HSET', about, id, jobs[id].lane .. '\n' .. jobs[id].at)
end

-- Counted are the jobs of each key by state (its letter before the key), and the leases of each host.
local function count(field, by)
  if redis.call('HINCRBY', tally, field, by) == 0 then
    redis.call('HDEL', tally, field)
  end
end

-- Whoever waits for work in any process may look.
local told = false
local function tell_all()
  if not told then
    told = true
    redis.call('PUBLISH', wake, '1')
  end
end

-- The end of a lease makes room: those that wait for it come first at the next lease (`turns`).
local function make_room(blocker)
  if redis.call('ZADD', blocked, 'XX', 'CH', 0, blocker) == 1 then
    tell_all()
  end
end

-- Counts `by` jobs that have the key and the host of `job`.
local function move(job, from, to, by)
  if from == to then
    return
  end
  if from then
    count(from .. job.key, -by)
  end
  if to then
    count(to .. job.key, by)
  end
  if job.host ~= '' and (from == 'i' or to == 'i') then
    count('h' .. job.host, to == 'i' and by or -by)
  end
  if from == 'i' then
    make_room('k' .. job.key)
    if job.host ~= '' then
      make_room('h' .. job.host)
    end
  end
end

local function mark(id, from, to)
  move(job_of(id), from, to, 1)
  if from ~= to then
    redis.call('HSET', state, id, to)
  end
end

-- Of an attempt that failed, or whose lease ran out, the beginning, the worker and why are remembered;
-- and what to say of the job until its next attempt ends, if that is not known otherwise.
local function closed(id, why, reason)
  if reason then
    redis.call('HSET', last_error, id, reason)
  end
  local began = redis.call('HGET', run, id)
  if not began then
    return
  end
  local at, worker = string.match(began, '^%S+ (%S+) (.*)$')
  local before = redis.call('HGET', history, id)
  local tries = before and cjson.decode(before) or {}
  tries[#tries + 1] = {tonumber(at), worker, why}
  if #tries > REMEMBERED then
    table.remove(tries, 1)
  end
  redis.call('HSET', history, id, cjson.encode(tries))
  redis.call('HDEL', run, id)
end

local function finish(id, from, outcome, reason)
  if outcome == 'error' then
    closed(id, reason)
  end
  if from == 'i' then
    end_lease(id)
  end
  mark(id, from, string.sub(outcome, 1, 1))
  note_end(id, outcome, reason)
  redis.call('HDEL', last_error, id)
  redis.call('ZADD', ended[outcome], whole(now), id)
end

-- Forgets how a job ended; that it was tried stays in its history.
local function unfinish(id, was)
  closed(id, '')
  redis.call('HINCRBY', counts, outcome_of[was], -1)
  redis.call('ZREM', ended[outcome_of[was]], id)
  for _, of_its_end in ipairs({attempts, errors, result}) do
    redis.call('HDEL', of_its_end, id)
  end
end
