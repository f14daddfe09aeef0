-- The tables of a guardrail-audit store, version 5. docs/store.md shows queries for them.
--
-- Evidence: every run adds to it, and nothing of it ever changes; `store compact` drops records.

CREATE TABLE texts (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- Everything of a record but its ids and its time, once for all records that are alike. INTEGER columns without a comment of their own hold
-- ids of texts.
CREATE TABLE descriptions (
    id                   INTEGER PRIMARY KEY,
    flags                INTEGER NOT NULL, -- 1 API key, 2 refused because of a guardrail, 4 partially guarded, 8 without request id, 16 reported only by the account itself
    kind                 INTEGER NOT NULL,
    reach                INTEGER NOT NULL,
    account              INTEGER NOT NULL,
    region               INTEGER NOT NULL,
    principal            INTEGER NOT NULL,
    event_name           INTEGER NOT NULL,
    subject              INTEGER NOT NULL,
    guardrail_identifier INTEGER NOT NULL,
    guardrail_version    INTEGER NOT NULL,
    refusing_guardrail   INTEGER NOT NULL,
    error_code           INTEGER NOT NULL,
    UNIQUE (principal, subject, account, region, event_name, kind, guardrail_identifier, guardrail_version, refusing_guardrail, error_code,
            reach, flags)
);

-- Calls, evaluations and invocation logs. An id is the 16 bytes of a UUID, or any other text.
CREATE TABLE records (
    request_id  BLOB NOT NULL,
    event_id    BLOB NOT NULL,
    event_time  INTEGER NOT NULL,          -- milliseconds since 1970, UTC; the least integer if the record has none
    description INTEGER NOT NULL,
    PRIMARY KEY (request_id, event_id, event_time, description)
) WITHOUT ROWID;

-- Changes of the state that verdicts rest on.
CREATE TABLE changes (
    event_time INTEGER NOT NULL,           -- microseconds since 1970, UTC
    event_id   TEXT NOT NULL,
    account    TEXT NOT NULL,
    change     TEXT NOT NULL,              -- JSON
    PRIMARY KEY (event_time, event_id, account, change)
) WITHOUT ROWID;

-- The world: AWS API responses, by their path in the world folder.
CREATE TABLE world (
    path TEXT PRIMARY KEY,
    json BLOB NOT NULL
) WITHOUT ROWID;

-- The files that were read, by the SHA-256 of their bytes, so that none is read twice.
CREATE TABLE inputs (
    digest   BLOB PRIMARY KEY,
    name     TEXT NOT NULL,
    counts   TEXT NOT NULL,                -- JSON: bytes, read, taken, unreadable, ignored by reason
    problems TEXT NOT NULL                 -- JSON: what could not be read
) WITHOUT ROWID;

-- What is known of the calls of each account and Region, so that a run judges what is new without reading the earlier records. Where
-- `aggregate` is NULL, it has to be made again from the records.
CREATE TABLE aggregates (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    aggregate BLOB,
    PRIMARY KEY (account, region)
) WITHOUT ROWID;

-- Whoever deletes a row only makes the next run read the records again: without the row it would take them for none.
CREATE TRIGGER aggregates_stay BEFORE DELETE ON aggregates BEGIN
    UPDATE aggregates SET aggregate = NULL WHERE account = OLD.account AND region = OLD.region;
    SELECT RAISE(IGNORE);
END;

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

-- Conclusions: every run replaces them, from all the evidence.

CREATE TABLE findings (
    position   INTEGER PRIMARY KEY,        -- the order of reports
    id         TEXT NOT NULL UNIQUE,
    rule       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    status     TEXT NOT NULL,
    account    TEXT NOT NULL,
    region     TEXT NOT NULL,
    resource   TEXT NOT NULL,
    verdict    TEXT,
    grade      TEXT,
    reason     TEXT,
    count      INTEGER NOT NULL,
    first_seen TEXT,
    last_seen  TEXT,
    title      TEXT NOT NULL,
    detail     TEXT NOT NULL,
    json       TEXT NOT NULL               -- the whole finding, as in reports
);

CREATE TABLE coverage (
    position INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    model    TEXT NOT NULL,
    api      TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    grade    TEXT NOT NULL,
    reason   TEXT,
    count    INTEGER NOT NULL
);

-- Calls by day. day is a date, and NULL for calls without a time.
CREATE TABLE days (
    position INTEGER PRIMARY KEY,
    day      TEXT,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    grade    TEXT NOT NULL,
    count    INTEGER NOT NULL
);

CREATE TABLE blind (
    position INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    missing  TEXT NOT NULL,
    remedy   TEXT NOT NULL
);

CREATE TABLE summary (
    json TEXT NOT NULL
);

-- The configuration file under which the run concluded: one row, or none.
CREATE TABLE configuration (
    path      TEXT NOT NULL,
    was_found INTEGER NOT NULL,            -- 1 if it was found in the working folder, and not given
    text      TEXT NOT NULL
);

-- Calls with their texts, one row for each record.
CREATE VIEW calls AS
SELECT CASE typeof(r.request_id) WHEN 'blob' THEN lower(format('%s-%s-%s-%s-%s', substr(hex(r.request_id), 1, 8), substr(hex(r.request_id), 9, 4),
           substr(hex(r.request_id), 13, 4), substr(hex(r.request_id), 17, 4), substr(hex(r.request_id), 21))) ELSE r.request_id END AS request_id,
       CASE typeof(r.event_id) WHEN 'blob' THEN lower(format('%s-%s-%s-%s-%s', substr(hex(r.event_id), 1, 8), substr(hex(r.event_id), 9, 4),
           substr(hex(r.event_id), 13, 4), substr(hex(r.event_id), 17, 4), substr(hex(r.event_id), 21))) ELSE r.event_id END AS event_id,
       CASE WHEN r.event_time > -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%SZ', r.event_time / 1000, 'unixepoch') END AS event_time,
       account.text    AS account,
       region.text     AS region,
       principal.text  AS principal,
       event_name.text AS event_name,
       subject.text    AS model_id,
       identifier.text AS guardrail_identifier,
       version.text    AS guardrail_version,
       error.text      AS error_code,
       d.flags & 1     AS bearer_key
FROM records r
JOIN descriptions d   ON d.id = r.description
JOIN texts kind       ON kind.id = d.kind AND kind.text = 'call'
JOIN texts account    ON account.id = d.account
JOIN texts region     ON region.id = d.region
JOIN texts principal  ON principal.id = d.principal
JOIN texts event_name ON event_name.id = d.event_name
JOIN texts subject    ON subject.id = d.subject
JOIN texts identifier ON identifier.id = d.guardrail_identifier
JOIN texts version    ON version.id = d.guardrail_version
JOIN texts error      ON error.id = d.error_code;

PRAGMA user_version = 5;
