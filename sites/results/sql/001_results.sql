-- What was scraped from one site, by all its jobs.
CREATE TABLE pages (
  job TEXT NOT NULL,
  url TEXT NOT NULL,
  state TEXT NOT NULL,            -- done | skipped | error
  status INTEGER NOT NULL,        -- of HTTP; 0 without an answer
  kind TEXT NOT NULL,             -- class of failure; '' for none
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  missing TEXT NOT NULL,          -- JSON: required field -> items that lacked it
  proxy TEXT NOT NULL,            -- without credentials; '' for none
  fetched_at REAL NOT NULL,       -- seconds since 1970
  PRIMARY KEY (job, url)
) WITHOUT ROWID;

CREATE TABLE items (
  job TEXT NOT NULL,
  url TEXT NOT NULL,
  position INTEGER NOT NULL,      -- on the page, from 0
  data TEXT NOT NULL,             -- JSON, in the order of the definition
  PRIMARY KEY (job, url, position)
) WITHOUT ROWID;
