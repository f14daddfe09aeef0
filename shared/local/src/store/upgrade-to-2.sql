-- Brings a store of version 1 to version 2. What version 2 concludes besides is there after the next audit.

CREATE TABLE days (
    position INTEGER PRIMARY KEY,
    day      TEXT,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    grade    TEXT NOT NULL,
    count    INTEGER NOT NULL
);

PRAGMA user_version = 2;
