BEGIN TRANSACTION;
CREATE TABLE drains (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	UNIQUE (id), 
	FOREIGN KEY("plan") REFERENCES plans (id)
);
CREATE TABLE hosts (
	name TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "hosts" VALUES('h1','{"name":"h1","uri":"qemu+ssh://h1/system","peer_uri":"qemu+tcp://h1/system","migration_address":null,"migration_link_bytes_per_s":null,"shared_paths":[],"memory_reserve_bytes":1073741824,"cores_overcommit":8.0,"labels":{},"in_maintenance":false}');
INSERT INTO "hosts" VALUES('h2','{"name":"h2","uri":"qemu+ssh://h2/system","peer_uri":"qemu+tcp://h2/system","migration_address":null,"migration_link_bytes_per_s":null,"shared_paths":[],"memory_reserve_bytes":1073741824,"cores_overcommit":8.0,"labels":{},"in_maintenance":false}');
CREATE TABLE journal (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	migration TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	at_s FLOAT NOT NULL, 
	kind TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	UNIQUE (migration, generation), 
	FOREIGN KEY(migration) REFERENCES migrations (id)
);
INSERT INTO "journal" VALUES(1,'m-1',1,1800000000.0,'Accepted','{"at_s":1800000000.0,"id":"m-1","plan":"p-bjd4j7","move":{"vm":"id-web1","vm_name":"web1","source":"h1","destination":"h2","memory_bytes":4294967296,"vcpus":2,"recipe":{"pause_start_s":0.03,"pause_max_s":0.3,"bandwidth_bytes_per_s":null,"link_bytes_per_s":null},"reason":"the only other host","choice":{"vm":"id-web1","vm_name":"web1","source":"h1","vm_refusals":[],"candidates":[{"host":"h2","refusals":[],"warnings":[],"memory_after":0.5,"cpu_after":0.0}]},"warnings":[]},"attempt":1}');
INSERT INTO "journal" VALUES(2,'m-1',2,1800000001.0,'PreconditionsHeld','{"at_s":1800000001.0}');
INSERT INTO "journal" VALUES(3,'m-1',3,1800000002.0,'StartOrdered','{"at_s":1800000002.0}');
INSERT INTO "journal" VALUES(4,'m-1',4,1800000003.0,'CopyStarted','{"at_s":1800000003.0}');
INSERT INTO "journal" VALUES(5,'m-1',5,1800000004.0,'RoundEnded','{"at_s":1800000004.0,"round":{"number":1,"ended_at_s":1800000001.0,"remaining_bytes":20971520,"transferred_bytes":0,"dirty_bytes_per_s":52428800.0,"bandwidth_bytes_per_s":104857600.0,"pause_limit_s":0.03}}');
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version',1);
INSERT INTO "meta" VALUES('cluster_generation',2);
CREATE TABLE migrations (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	vm_name TEXT NOT NULL, 
	source TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	accepted_at_s FLOAT NOT NULL, 
	ended BOOLEAN NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "migrations" VALUES(1,'m-1','p-bjd4j7','web1','h1','h2',1800000000.0,0);
CREATE TABLE plans (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	made_at_s FLOAT NOT NULL, 
	payload TEXT NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "plans" VALUES(1,'p-bjd4j7','migrate',2,1800000000.0,'{"id":"p-bjd4j7","kind":"migrate","generation":2,"made_at_s":1800000000.0,"moves":[{"vm":"id-web1","vm_name":"web1","source":"h1","destination":"h2","memory_bytes":4294967296,"vcpus":2,"recipe":{"pause_start_s":0.03,"pause_max_s":0.3,"bandwidth_bytes_per_s":null,"link_bytes_per_s":null},"reason":"the only other host","choice":{"vm":"id-web1","vm_name":"web1","source":"h1","vm_refusals":[],"candidates":[{"host":"h2","refusals":[],"warnings":[],"memory_after":0.5,"cpu_after":0.0}]},"warnings":[]}],"unplaced":[],"host":null,"parallel":1,"notes":[]}');
CREATE INDEX migrations_by_ended ON migrations (ended);
CREATE INDEX migrations_by_plan ON migrations ("plan");
CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_refuses_delete BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_refuses_gaps BEFORE INSERT ON journal
    WHEN EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq)
        OR NEW.generation <> (
            SELECT 1 + coalesce(max(generation), 0) FROM journal WHERE migration = NEW.migration
        )
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('plans',1);
INSERT INTO "sqlite_sequence" VALUES('migrations',1);
INSERT INTO "sqlite_sequence" VALUES('journal',5);
COMMIT;
