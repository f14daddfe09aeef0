-- Version 5 can drop the records of days that are over, and keeps the sums over them.

-- What is left of the records of compacted days.
CREATE TABLE compacted (
    account    TEXT NOT NULL,
    region     TEXT NOT NULL,
    until      INTEGER NOT NULL,           -- the end of the compacted days, in milliseconds since 1970, UTC
    records    INTEGER NOT NULL,           -- how many were dropped
    late       INTEGER NOT NULL DEFAULT 0, -- how many were read later for these days, and are not judged
    is_divided INTEGER NOT NULL DEFAULT 0, -- 1 if a change was dated back to between calls that can't be told apart any more
    aggregate  BLOB NOT NULL,
    PRIMARY KEY (account, region)
) WITHOUT ROWID;

PRAGMA user_version = 5;
