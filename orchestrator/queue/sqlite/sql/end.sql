-- name: extend
-- A lease ends later.
UPDATE jobs SET due = ? WHERE number = ? AND fence = ? AND attempts = ? AND state = 2 AND due > ?;

-- name: end
-- The holder of a lease ends its job.
UPDATE jobs SET state = ?, due = ?, turn = ?, reason = ?, result = ? WHERE number = ?;

-- name: place
-- Whose job a lease is of.
SELECT key, host FROM jobs
WHERE number = ? AND fence = ? AND attempts = ? AND state = 2 AND due > ?;

-- name: held
-- The job of a lease.
SELECT priority, key, host, started, worker, enqueued, history FROM jobs
WHERE number = ? AND fence = ? AND attempts = ? AND state = 2 AND due > ?;

-- name: put_back
-- It waits for its next attempt.
UPDATE jobs SET state = ?, turn = ?, due = ?, reason = ?, history = ?, started = NULL, worker = '' WHERE number = ?;

-- name: release_later
-- It was not started, and waits; then it comes behind those that are ready.
UPDATE jobs SET state = 1, turn = ?, due = ?, attempts = attempts - 1, started = NULL, worker = '' WHERE number = ?;

-- name: release
-- It was not started: it keeps its turn.
UPDATE jobs SET state = 0, due = ?, attempts = attempts - 1, started = NULL, worker = '' WHERE number = ?;

-- name: expire
-- A lease of this holder runs out now.
UPDATE jobs SET due = ? WHERE id = ? AND worker = ? AND state = 2 AND due > ?;

-- name: live
-- What can be cancelled.
SELECT number, state, priority, key, host FROM jobs WHERE id = ? AND state < 3;

-- name: cancel
-- It ends as skipped.
UPDATE jobs SET state = 4, due = ?, turn = ?, reason = ? WHERE number = ?;

-- name: failed
-- Jobs that ended as error after a certain one, oldest first.
SELECT number, id, priority, key, host, due, turn, started, worker, reason, history
FROM jobs WHERE state = 5 AND (due, turn) > (?, ?) ORDER BY due, turn LIMIT ?;

-- name: failed_of
-- The same of the job of an id.
SELECT number, id, priority, key, host, due, turn, started, worker, reason, history
FROM jobs WHERE id = ? AND state = 5;

-- name: again
-- One of them is queued anew.
UPDATE jobs SET state = 0, turn = ?, due = ?, history = ?, attempts = 0, started = NULL, worker = '',
  reason = '', result = NULL
WHERE number = ?;

-- name: ended_before
-- Jobs that ended until a time, after a certain one, oldest first.
SELECT number, key, state, due, turn FROM jobs
WHERE state >= 3 AND due <= ? AND (due, turn) > (?, ?) ORDER BY due, turn LIMIT ?;

-- name: ended_of
-- The same of the job of an id, whenever it ended.
SELECT number, key, state FROM jobs WHERE id = ? AND state >= 3;

-- name: forget
-- One of them is not known any more.
DELETE FROM jobs WHERE number = ?;

-- name: forget_body
-- Nor is its long payload.
DELETE FROM bodies WHERE number = ?;

-- name: forget_keys
-- Keys that no job has.
DELETE FROM tally WHERE key <> '' AND ready + delayed + leased + done + skipped + error = 0;
