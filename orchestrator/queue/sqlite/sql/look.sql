-- name: job
-- All about one job.
SELECT jobs.number, id, state, coalesce(jobs.payload, bodies.payload), key, host, priority, attempts, enqueued, due,
  started, worker, reason, history, result
FROM jobs LEFT JOIN bodies ON bodies.number = jobs.number WHERE id = ?;

-- name: by_number
-- The same of a job that a list named.
SELECT jobs.number, id, state, coalesce(jobs.payload, bodies.payload), key, host, priority, attempts, enqueued, due,
  started, worker, reason, history, result
FROM jobs LEFT JOIN bodies ON bodies.number = jobs.number WHERE jobs.number = ?;

-- name: lanes
-- Those that have ready jobs, or had.
SELECT priority, key, host FROM lanes WHERE ?1 IS NULL OR key = ?1 LIMIT ?2;

-- name: ready
-- Those of a lane that are ready, behind a turn.
SELECT turn, number FROM jobs WHERE state = 0 AND priority = ? AND key = ? AND host = ? AND turn > ?
ORDER BY turn LIMIT ?;

-- name: delayed
-- Those that wait for their time.
SELECT number FROM jobs
WHERE state = 1 AND (due, number) > (:due, :number) AND (:key IS NULL OR key = :key)
ORDER BY due, number LIMIT :limit;

-- name: leased
-- Those that are leased, the last first.
SELECT number FROM jobs WHERE state = 2 AND fence < :fence AND (:key IS NULL OR key = :key)
ORDER BY fence DESC LIMIT :limit;

-- name: ended
-- Those that have ended in one way, the last first.
SELECT number FROM jobs
WHERE state >= 3 AND state = :state AND (due, turn) < (:due, :turn) AND (:key IS NULL OR key = :key)
ORDER BY due DESC, turn DESC LIMIT :limit;

-- name: failed
-- Those that ended as error, the last first.
SELECT number FROM jobs WHERE state = 5 AND (due, turn) < (:due, :turn) AND (:key IS NULL OR key = :key)
ORDER BY due DESC, turn DESC LIMIT :limit;

-- name: newest
-- Any, the newest first.
SELECT number FROM jobs WHERE number < :number AND (:key IS NULL OR key = :key)
ORDER BY number DESC LIMIT :limit;

-- name: place
-- Where a job stands in the lists above.
SELECT state, number, due, turn, fence FROM jobs WHERE id = ?;

-- name: some
-- The next jobs by their number, up to one.
SELECT number, state, key FROM jobs WHERE number > ? AND number <= ? ORDER BY number LIMIT ?;

-- name: counts
-- How many of each key stand where.
SELECT key, ready, delayed, leased, done, skipped, error FROM tally;

-- name: arrivals
-- How often new work came, and whether there is any.
SELECT arrivals, EXISTS (SELECT 1 FROM rota WHERE parked = 0) FROM tally WHERE key = '';

-- name: limits
-- The limits that hold, as JSON.
SELECT limits FROM meta;

-- name: run_out
-- Leases that ran out and that nobody has taken back.
SELECT count(*) FROM jobs WHERE state = 2 AND due <= ?;

-- name: oldest
-- Since when the job has waited that has been ready longest, among the heads of so many lanes.
SELECT min((SELECT due FROM jobs WHERE state = 0 AND priority = lane.priority AND key = lane.key AND host = lane.host
  ORDER BY turn LIMIT 1))
FROM (SELECT * FROM lanes LIMIT ?) AS lane;

-- name: next
-- When the next delayed job, and the next lease, is due.
SELECT (SELECT min(due) FROM jobs WHERE state = 1), (SELECT min(due) FROM jobs WHERE state = 2);
