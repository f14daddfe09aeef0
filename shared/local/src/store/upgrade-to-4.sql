-- Brings a store of version 3 to version 4: ids are bytes, and what records have in common is kept once.

DROP VIEW calls;

ALTER TABLE records RENAME TO records_of_version_3;

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

INSERT INTO descriptions (flags, kind, reach, account, region, principal, event_name, subject, guardrail_identifier, guardrail_version, refusing_guardrail,
        error_code)
SELECT flags, kind, reach, account, region, principal, event_name, subject, guardrail_identifier, guardrail_version, refusing_guardrail,
        error_code FROM records_of_version_3
WHERE true -- SQLite would take ON for that of a JOIN
ON CONFLICT DO NOTHING;

-- A UUID in its usual spelling becomes its bytes, as the program writes it. The order stays, so pages fill one after the other.
INSERT INTO records (request_id, event_id, event_time, description)
SELECT iif(r.request_id GLOB '????????-????-????-????-????????????' AND r.request_id = lower(r.request_id) AND length(unhex(r.request_id, '-')) = 16,
           unhex(r.request_id, '-'), r.request_id),
       iif(r.event_id GLOB '????????-????-????-????-????????????' AND r.event_id = lower(r.event_id) AND length(unhex(r.event_id, '-')) = 16,
           unhex(r.event_id, '-'), r.event_id),
       r.event_time, d.id
FROM records_of_version_3 r CROSS JOIN descriptions d
     ON d.flags = r.flags AND d.kind = r.kind AND d.reach = r.reach AND d.account = r.account AND d.region = r.region AND d.principal =
        r.principal AND d.event_name = r.event_name AND d.subject = r.subject AND d.guardrail_identifier = r.guardrail_identifier
        AND d.guardrail_version = r.guardrail_version AND d.refusing_guardrail = r.refusing_guardrail AND d.error_code =
        r.error_code;

DROP TABLE records_of_version_3;

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

PRAGMA user_version = 4;
