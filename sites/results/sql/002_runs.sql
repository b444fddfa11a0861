-- What identifies an item, its content, and where each job stands.
ALTER TABLE items ADD COLUMN key TEXT NOT NULL DEFAULT '';  -- '': by url and position
ALTER TABLE items ADD COLUMN hash BLOB;                     -- of the content; NULL: written before

CREATE TABLE runs (
  job TEXT PRIMARY KEY,
  state TEXT NOT NULL,            -- as of the job; unknown: ended before this was kept; pruned: is being deleted
  reason TEXT NOT NULL,           -- why it stands so, if there is something to say
  at REAL NOT NULL,               -- since when, in seconds since 1970
  started_at REAL,
  entry TEXT NOT NULL,            -- of the stream, in an order of texts: an older one changes nothing
  key TEXT NOT NULL               -- JSON: the fields that identify an item
) WITHOUT ROWID;

INSERT INTO runs
  SELECT job, 'unknown', '', max(fetched_at), min(fetched_at), '', '[]' FROM pages GROUP BY job;
