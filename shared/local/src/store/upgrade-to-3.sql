-- Brings a store of version 2 to version 3. The aggregates are made by the next audit, from the records.

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

INSERT INTO aggregates (account, region)
SELECT account.text, region.text
FROM (SELECT DISTINCT account, region FROM records) AS known
JOIN texts account ON account.id = known.account
JOIN texts region  ON region.id = known.region;

-- The configuration file under which the run concluded: one row, or none.
CREATE TABLE configuration (
    path      TEXT NOT NULL,
    was_found INTEGER NOT NULL,            -- 1 if it was found in the working folder, and not given
    text      TEXT NOT NULL
);

PRAGMA user_version = 3;
