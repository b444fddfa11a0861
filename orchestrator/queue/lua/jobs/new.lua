-- Whether the field of this name stays as it is when the id of the new job is known.
local function keeps(at, field)
  return string.find(ARGV[at + 6], ',' .. field .. ',', 1, true)
end

-- A known id: what is queued is changed, what has ended may be queued anew.
local function again(at, was, conflict)
  if was == 'i' or (was ~= 'q' and conflict ~= 'requeue') then
    return 0
  end
  local id, job = ARGV[at], job_of(ARGV[at])
  local due, delay_ms = redis.call('ZSCORE', delayed, id), ARGV[at + 3]
  if keeps(at, 'delay') then
    delay_ms = due and math.max(1, due - now) or '0'
  end
  local class = keeps(at, 'priority') and job.class or ARGV[at + 2]
  local key = keeps(at, 'key') and job.key or ARGV[at + 4]
  local host = keeps(at, 'host') and job.host or ARGV[at + 5]
  if not keeps(at, 'payload') then
    redis.call('HSET', payload, id, ARGV[at + 1])
  end
  if was == 'q' then
    if delay_ms == '0' and not due and job.lane == as_job(class, key, host).lane then
      return 0 -- it keeps its turn
    end
    take_out(id)
    move(job, 'q', nil, 1)
    jobs[id] = as_job(class, key, host, job.at)
    redis.call('HSET', about, id, jobs[id].lane .. '\n' .. job.at)
  else
    move(job, was, nil, 1)
    unfinish(id, was)
    describe(id, class, key, host)
  end
  make_delayed(id, nil, delay_ms)
  return was == 'q' and 0 or 1
end

local function add(at, conflict)
  local id = ARGV[at]
  local was = redis.call('HGET', state, id)
  if was then
    return conflict == 'ignore' and 0 or again(at, was, conflict)
  end
  redis.call('HSET', payload, id, ARGV[at + 1])
  describe(id, ARGV[at + 2], ARGV[at + 4], ARGV[at + 5])
  make_delayed(id, nil, ARGV[at + 3])
  return 1
end
