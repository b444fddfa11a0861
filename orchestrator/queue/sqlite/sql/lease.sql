-- name: set_limits
-- The limits that hold from now on.
UPDATE meta SET limits = ?;

-- name: earliest
-- The first delayed job, the first lease that runs out, the first key and the first lane to be looked at again.
SELECT (SELECT min(due) FROM jobs WHERE state = 1), (SELECT min(due) FROM jobs WHERE state = 2),
  (SELECT min(parked) FROM rota WHERE parked > 0), (SELECT min(parked) FROM lanes WHERE parked > 0);

-- name: come_due
-- Delayed jobs whose time has come.
SELECT number, priority, key, host FROM jobs WHERE state = 1 AND due <= ? ORDER BY due LIMIT ?;

-- name: make_ready
-- One of them becomes ready.
UPDATE jobs SET state = 0, turn = ? WHERE number = ?;

-- name: ran_out
-- Leases that ran out.
SELECT number, priority, key, host, attempts, started, worker, history
FROM jobs WHERE state = 2 AND due <= ? ORDER BY due LIMIT ?;

-- name: take_back
-- One of them is ready again, or has ended.
UPDATE jobs SET state = ?, turn = ?, due = ?, reason = ?, history = ?, started = NULL, worker = ''
WHERE number = ?;

-- name: keys
-- Whose turn it is, from a priority on.
SELECT priority, key FROM rota WHERE parked = 0 AND priority >= ? ORDER BY priority, tag LIMIT ?;

-- name: hosts
-- Whose turn it is within a key.
SELECT host FROM lanes WHERE priority = ? AND key = ? AND parked = 0 ORDER BY tag LIMIT ?;

-- name: jobs
-- The next jobs of a lane.
SELECT number, id, attempts, payload FROM jobs
WHERE state = 0 AND priority = ? AND key = ? AND host = ? ORDER BY turn LIMIT ?;

-- name: body
-- The payload of one, when it is long.
SELECT payload FROM bodies WHERE number = ?;

-- name: take
-- One of them is leased.
UPDATE jobs SET state = 2, due = ?, fence = ?, started = ?, worker = ?, attempts = attempts + 1 WHERE number = ?;

-- name: held_of_key
-- How many of a key are leased, as far as its limit.
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 2 AND key <> '' AND key = ? AND due > ? LIMIT ?);

-- name: held_of_no_key
-- The same of the jobs that have no key.
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 2 AND key = '' AND due > ? LIMIT ?);

-- name: held_of_host
-- How many of a host are leased, as far as its limit.
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 2 AND host <> '' AND host = ? AND due > ? LIMIT ?);

-- name: pass_key
-- A key has had its turn.
UPDATE rota SET tag = ? WHERE priority = ? AND key = ?;

-- name: pass_host
-- A host has had its turn.
UPDATE lanes SET tag = ? WHERE priority = ? AND key = ? AND host = ?;

-- name: park_key
-- A key is at its limit, or all of its hosts are.
UPDATE rota SET parked = ? WHERE priority = ? AND key = ?;

-- name: unpark_key
-- It takes turns again.
UPDATE rota SET parked = 0, tag = ? WHERE priority = ? AND key = ? AND parked > 0;

-- name: park_host
-- A host is at its limit.
UPDATE lanes SET parked = ? WHERE priority = ? AND key = ? AND host = ?;

-- name: end_host
-- A lane has no work left.
DELETE FROM lanes WHERE priority = ? AND key = ? AND host = ?;

-- name: end_empty_host
-- A lane may have no work left.
DELETE FROM lanes WHERE priority = ?1 AND key = ?2 AND host = ?3
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE state = 0 AND priority = ?1 AND key = ?2 AND host = ?3);

-- name: end_key
-- A key has no work left, unless a lane of it waits.
DELETE FROM rota WHERE priority = ?1 AND key = ?2
  AND NOT EXISTS (SELECT 1 FROM lanes WHERE priority = ?1 AND key = ?2);

-- name: parked_keys
-- Keys that are looked at again.
SELECT priority, key FROM rota WHERE parked > 0 AND parked <= ? ORDER BY parked LIMIT ?;

-- name: parked_hosts
-- Lanes that are looked at again.
SELECT priority, key, host FROM lanes WHERE parked > 0 AND parked <= ? ORDER BY parked LIMIT ?;

-- name: waiting_of_key
-- The parked places of a key in the rota, the most urgent first.
SELECT priority, key FROM rota WHERE parked > 0 AND key = ? ORDER BY priority LIMIT ?;

-- name: waiting_of_host
-- The parked lanes of a host: those that are next.
SELECT priority, key, host FROM lanes WHERE parked > 0 AND host = ? ORDER BY priority, tag LIMIT ?;

-- name: free_keys
-- Every key is looked at again, as the limits have changed.
UPDATE rota SET parked = 0 WHERE parked > 0;

-- name: free_hosts
-- Every lane is, too.
UPDATE lanes SET parked = 0 WHERE parked > 0;
