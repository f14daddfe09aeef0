-- A store of version 3 that has read version-3.jsonl, as the sqlite3 shell dumps it.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE texts (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);
INSERT INTO texts VALUES(1,'call');
INSERT INTO texts VALUES(2,'covered');
INSERT INTO texts VALUES(3,'222233334444');
INSERT INTO texts VALUES(4,'us-east-1');
INSERT INTO texts VALUES(5,'arn:aws:iam::222233334444:user/u');
INSERT INTO texts VALUES(6,'Converse');
INSERT INTO texts VALUES(7,'a.one');
INSERT INTO texts VALUES(8,'');
INSERT INTO texts VALUES(9,'evaluation');
INSERT INTO texts VALUES(10,'arn:aws:bedrock:us-east-1:111122223333:guardrail/org');
INSERT INTO texts VALUES(11,'ENFORCED');
INSERT INTO texts VALUES(12,'333344445555');
INSERT INTO texts VALUES(13,'eu-west-1');
INSERT INTO texts VALUES(14,'arn:aws:iam::333344445555:user/v');
INSERT INTO texts VALUES(15,'InvokeModel');
INSERT INTO texts VALUES(16,'a.two');
INSERT INTO texts VALUES(17,'AccessDenied');
CREATE TABLE records (
    request_id           TEXT NOT NULL,
    event_id             TEXT NOT NULL,
    event_time           INTEGER NOT NULL, -- milliseconds since 1970, UTC; the least integer if the record has none
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
    PRIMARY KEY (request_id, account, kind, event_name, event_id, event_time, region, principal, subject, guardrail_identifier,
                 guardrail_version, refusing_guardrail, error_code, reach, flags)
) WITHOUT ROWID;
INSERT INTO records VALUES('11111111-1111-4222-8333-444455556666','aaaaaaaa-1111-4222-8333-444455556666',1795136400000,0,1,2,3,4,5,6,7,8,8,8,8);
INSERT INTO records VALUES('11111111-1111-4222-8333-444455556666','dddddddd-1111-4222-8333-444455556666',1795136401000,0,9,8,3,4,5,8,10,11,11,8,8);
INSERT INTO records VALUES('22222222-ABCD-4222-8333-444455556666','bbbbbbbb-1111-4222-8333-444455556666',1795140000000,0,1,2,3,4,5,6,7,8,8,8,8);
INSERT INTO records VALUES('44444444-1111--222-8333-444455556666','event-4',1795143600000,0,1,2,3,4,5,6,7,8,8,8,8);
INSERT INTO records VALUES('ffffffff-ffff-ffff-ffff-ffffffffffff','ffffffff-ffff-ffff-ffff-ffffffffffff',1795147200000,8,1,2,3,4,5,6,7,8,8,8,8);
INSERT INTO records VALUES('request-3','cccccccc-1111-4222-8333-444455556666',-9223372036854775808,0,1,2,12,13,14,15,16,8,8,8,17);
CREATE TABLE changes (
    event_time INTEGER NOT NULL,           -- microseconds since 1970, UTC
    event_id   TEXT NOT NULL,
    account    TEXT NOT NULL,
    change     TEXT NOT NULL,              -- JSON
    PRIMARY KEY (event_time, event_id, account, change)
) WITHOUT ROWID;
INSERT INTO changes VALUES(1795150800000000,'eeeeeeee-1111-4222-8333-444455556666','222233334444','{"service":"bedrock","operation":"DeleteEnforcedGuardrailConfiguration","account":"222233334444","region":"us-east-1","principal":"unknown","parameters":{"configId":"c"},"effect":{"change":"configuration_deleted","account":"222233334444","region":"us-east-1"}}');
CREATE TABLE world (
    path TEXT PRIMARY KEY,
    json BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO world VALUES('effective-policies/222233334444.json',X'7b22456666656374697665506f6c696379223a206e756c6c7d0a');
CREATE TABLE inputs (
    digest   BLOB PRIMARY KEY,
    name     TEXT NOT NULL,
    counts   TEXT NOT NULL,                -- JSON: bytes, read, taken, unreadable, ignored by reason
    problems TEXT NOT NULL                 -- JSON: what could not be read
) WITHOUT ROWID;
INSERT INTO inputs VALUES(X'61892b16977fd16631938380b531109b7478cb9d0b50569175b39d3198c296a8','v3.jsonl','[2652,7,7,0,[]]','[]');
CREATE TABLE aggregates (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    aggregate BLOB,
    PRIMARY KEY (account, region)
) WITHOUT ROWID;
INSERT INTO aggregates VALUES('222233334444','us-east-1',X'01000001122a2f67756172647261696c2d61756469742a02ffffffffffffffffff0180d084dcc3abb0060001809090b7d8aab00680c0e7f2a8abb00608002434343434343434342d313131312d2d3232322d383333332d34343434353535353636363608436f6e766572736505612e6f6e652061726e3a6177733a69616d3a3a3232323233333333343434343a757365722f750463616c6c07636f7665726564076576656e742d34030506000203000000000005060402030000000000050604020300000000080101036f7267010c3131313132323232333333330975732d656173742d31036f72670001010000000100020101010000010180a0ada0f3aab00600bbbbbbbb1111422283334444555566660180a0ada0f3aab00600bbbbbbbb11114222833344445555666601010101000101809090b7d8aab00600aaaaaaaa11114222833344445555666601809090b7d8aab00600aaaaaaaa111142228333444455556666020001010000018080f3cdbdaab006010001010100018080f3cdbdaab006010200ffffffffffffffffffffffffffffffff020180c0e7f2a8abb00600ffffffffffffffffffffffffffffffff0101010180b0ca898eabb006010703000000000001000000000000');
INSERT INTO aggregates VALUES('333344445555','eu-west-1',X'01000001122a2f67756172647261696c2d61756469742a00000007000c41636365737344656e6965640b496e766f6b654d6f64656c05612e74776f2061726e3a6177733a69616d3a3a3333333334343434353535353a757365722f760463616c6c07636f7665726564020506000203000000010005060402030000000100000101000000010000cccccccc1111422283334444555566660000cccccccc111142228333444455556666010000000000010001000000000000000000000000');
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
INSERT INTO findings VALUES(0,'f98302019a8afd6cde2445e19f259554','account-not-covered','HIGH','OPEN','222233334444','us-east-1','AWS::::Account:222233334444',NULL,NULL,NULL,4,'2026-11-20T01:00:00Z','2026-11-20T04:00:00Z','An account runs inference in a Region where its effective policy demands nothing','4 calls of Converse with a.one by arn:aws:iam::222233334444:user/u: the account''s effective policy demands no guardrail in this Region','{"id":"f98302019a8afd6cde2445e19f259554","rule":"account-not-covered","severity":"HIGH","title":"An account runs inference in a Region where its effective policy demands nothing","detail":"4 calls of Converse with a.one by arn:aws:iam::222233334444:user/u: the account''s effective policy demands no guardrail in this Region","remediation":"Attach a Bedrock policy that names the Region to the account, its OU or the root.","status":"OPEN","account":"222233334444","region":"us-east-1","resource":"AWS::::Account:222233334444","principals":["arn:aws:iam::222233334444:user/u"],"models":["a.one"],"apis":["Converse"],"verdict":null,"grade":null,"reason":null,"missing":["enforced_configuration"],"attempted":false,"expected":false,"linked":[],"first_seen":"2026-11-20T01:00:00Z","last_seen":"2026-11-20T04:00:00Z","count":4,"events":["aaaaaaaa-1111-4222-8333-444455556666","ffffffff-ffff-ffff-ffff-ffffffffffff"],"changes":[],"policy":{"basis":"described","since":null,"identifier":null,"policy":null,"attached_to":null},"controls":["nist-ai-rmf:GOVERN 1.2","iso-42001:A.9.2","mitre-attack:T1484","mitre-atlas:AML.M0020","aws-genai-lens:GENSEC02-BP01"],"reopened":0,"resolved_at":null,"suppression":null}');
INSERT INTO findings VALUES(1,'e9aa1be3627fadabd7b196261624d722','account-enforcement-removed','MEDIUM','OPEN','222233334444','us-east-1','enforced guardrail configuration',NULL,'none',NULL,1,'2026-11-20T05:00:00Z','2026-11-20T05:00:00Z','An account''s enforced guardrail configuration was deleted','DeleteEnforcedGuardrailConfiguration by unknown: it is gone, and what it enforced is not known; effect not verified','{"id":"e9aa1be3627fadabd7b196261624d722","rule":"account-enforcement-removed","severity":"MEDIUM","title":"An account''s enforced guardrail configuration was deleted","detail":"DeleteEnforcedGuardrailConfiguration by unknown: it is gone, and what it enforced is not known; effect not verified","remediation":"Put the configuration again with the guardrail version that was enforced (PutEnforcedGuardrailConfiguration).","status":"OPEN","account":"222233334444","region":"us-east-1","resource":"enforced guardrail configuration","principals":["unknown"],"models":[],"apis":["DeleteEnforcedGuardrailConfiguration"],"verdict":null,"grade":"none","reason":null,"missing":[],"attempted":false,"expected":false,"linked":[],"first_seen":"2026-11-20T05:00:00Z","last_seen":"2026-11-20T05:00:00Z","count":1,"events":["eeeeeeee-1111-4222-8333-444455556666"],"changes":[],"policy":null,"controls":["owasp-llm:LLM01","owasp-llm:LLM02","owasp-llm:LLM05","nist-ai-rmf:MEASURE 2.7","mitre-attack:T1562.001","mitre-atlas:AML.M0020","aws-genai-lens:GENSEC02-BP01"],"reopened":0,"resolved_at":null,"suppression":null}');
INSERT INTO findings VALUES(2,'77fc8aa2b2293af372e8a4130281a254','invocation-not-provable','LOW','OPEN','222233334444','us-east-1','AWS::::Account:222233334444','not_provable','none',NULL,3,'2026-11-20T02:00:00Z','2026-11-20T04:00:00Z','Whether a guardrail applied can''t be proved','3 calls of Converse with a.one by arn:aws:iam::222233334444:user/u: missing: the enforced configuration of the account and Region at that time','{"id":"77fc8aa2b2293af372e8a4130281a254","rule":"invocation-not-provable","severity":"LOW","title":"Whether a guardrail applied can''t be proved","detail":"3 calls of Converse with a.one by arn:aws:iam::222233334444:user/u: missing: the enforced configuration of the account and Region at that time","remediation":"To get it: read the account''s configuration (ListEnforcedGuardrailsConfiguration in this Region) into world/enforced-configurations/.","status":"OPEN","account":"222233334444","region":"us-east-1","resource":"AWS::::Account:222233334444","principals":["arn:aws:iam::222233334444:user/u"],"models":["a.one"],"apis":["Converse"],"verdict":"not_provable","grade":"none","reason":null,"missing":["enforced_configuration"],"attempted":false,"expected":false,"linked":[],"first_seen":"2026-11-20T02:00:00Z","last_seen":"2026-11-20T04:00:00Z","count":3,"events":["bbbbbbbb-1111-4222-8333-444455556666","ffffffff-ffff-ffff-ffff-ffffffffffff"],"changes":[],"policy":{"basis":"described","since":null,"identifier":null,"policy":null,"attached_to":null},"controls":["nist-ai-rmf:MEASURE 2.4","iso-42001:A.6.2.8","aws-genai-lens:GENSEC03-BP01"],"reopened":0,"resolved_at":null,"suppression":null}');
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
INSERT INTO coverage VALUES(0,'222233334444','us-east-1','a.one','Converse','compliant','observed',NULL,1);
INSERT INTO coverage VALUES(1,'222233334444','us-east-1','a.one','Converse','not_provable','none',NULL,3);
INSERT INTO coverage VALUES(2,'333344445555','eu-west-1','a.two','InvokeModel','not_applicable','none',NULL,1);
CREATE TABLE days (
    position INTEGER PRIMARY KEY,
    day      TEXT,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    grade    TEXT NOT NULL,
    count    INTEGER NOT NULL
);
INSERT INTO days VALUES(0,NULL,'333344445555','eu-west-1','not_applicable','none',1);
INSERT INTO days VALUES(1,'2026-11-20','222233334444','us-east-1','compliant','observed',1);
INSERT INTO days VALUES(2,'2026-11-20','222233334444','us-east-1','not_provable','none',3);
CREATE TABLE blind (
    position INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    missing  TEXT NOT NULL,
    remedy   TEXT NOT NULL
);
INSERT INTO blind VALUES(0,'222233334444','us-east-1','telemetry','read the trails'' selectors and status (GetEventSelectors, GetTrailStatus) into world/telemetry/');
INSERT INTO blind VALUES(1,'222233334444','us-east-1','enforced_configuration','read the account''s configuration (ListEnforcedGuardrailsConfiguration in this Region) into world/enforced-configurations/');
INSERT INTO blind VALUES(2,'333344445555','eu-west-1','telemetry','read the trails'' selectors and status (GetEventSelectors, GetTrailStatus) into world/telemetry/');
INSERT INTO blind VALUES(3,'333344445555','eu-west-1','effective_policy','read the account''s effective policy (DescribeEffectivePolicy with BEDROCK_POLICY) into world/effective-policies/, or the organization''s tree and policies into world/organization.json and world/policies/');
INSERT INTO blind VALUES(4,'333344445555','eu-west-1','enforced_configuration','read the account''s configuration (ListEnforcedGuardrailsConfiguration in this Region) into world/enforced-configurations/');
CREATE TABLE summary (
    json TEXT NOT NULL
);
INSERT INTO summary VALUES('[{"compliant":1,"violation":0,"not_provable":3,"not_applicable":1},{},7]');
CREATE TABLE configuration (
    path      TEXT NOT NULL,
    was_found INTEGER NOT NULL,            -- 1 if it was found in the working folder, and not given
    text      TEXT NOT NULL
);
CREATE TRIGGER aggregates_stay BEFORE DELETE ON aggregates BEGIN
    UPDATE aggregates SET aggregate = NULL WHERE account = OLD.account AND region = OLD.region;
    SELECT RAISE(IGNORE);
END;
CREATE VIEW calls AS
SELECT r.request_id,
       r.event_id,
       CASE WHEN r.event_time > -9223372036854775808 THEN strftime('%Y-%m-%dT%H:%M:%SZ', r.event_time / 1000, 'unixepoch') END AS event_time,
       account.text    AS account,
       region.text     AS region,
       principal.text  AS principal,
       event_name.text AS event_name,
       subject.text    AS model_id,
       identifier.text AS guardrail_identifier,
       version.text    AS guardrail_version,
       error.text      AS error_code,
       r.flags & 1     AS bearer_key
FROM records r
JOIN texts kind       ON kind.id = r.kind AND kind.text = 'call'
JOIN texts account    ON account.id = r.account
JOIN texts region     ON region.id = r.region
JOIN texts principal  ON principal.id = r.principal
JOIN texts event_name ON event_name.id = r.event_name
JOIN texts subject    ON subject.id = r.subject
JOIN texts identifier ON identifier.id = r.guardrail_identifier
JOIN texts version    ON version.id = r.guardrail_version
JOIN texts error      ON error.id = r.error_code;
COMMIT;
PRAGMA user_version = 3;
