"""The tables of the run store. A change of them raises VERSION and keeps reading the old ones."""

APPLICATION = 0x4E415348
"""SQLite's application id: a file that lacks it was made by another program."""

VERSION = 2

RUN_COLUMNS = (
    "identity",
    "comparison",
    "method",
    "method_version",
    "settings",
    "given",
    "seed",
    "status",
    "reason",
    "metrics",
    "seconds",
    "trajectory",
    "history",
    "provenance",
    "details",
)

SCHEMA = (
    # Content that runs of one comparison share: space, table, protocol with its task.
    "CREATE TABLE comparisons (comparison TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE runs (
        identity TEXT PRIMARY KEY,
        comparison TEXT NOT NULL REFERENCES comparisons,
        method TEXT NOT NULL,
        method_version INTEGER NOT NULL,
        settings BLOB NOT NULL,
        given BLOB NOT NULL,
        seed INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('done', 'failed')),
        reason TEXT NOT NULL,
        metrics BLOB NOT NULL,
        seconds REAL NOT NULL,
        trajectory BLOB,
        history BLOB,
        provenance BLOB NOT NULL,
        details BLOB
    )""",
    """CREATE TABLE plans (
        id INTEGER PRIMARY KEY,
        suite TEXT NOT NULL,
        profile TEXT NOT NULL,
        made TEXT NOT NULL
    )""",
    """CREATE TABLE plan_runs (
        plan INTEGER NOT NULL REFERENCES plans,
        identity TEXT NOT NULL,
        label TEXT NOT NULL,
        UNIQUE (plan, identity)
    )""",
    "CREATE INDEX plan_runs_identity ON plan_runs (identity)",
    """CREATE TABLE claims (
        identity TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        beat REAL NOT NULL
    ) WITHOUT ROWID""",
)

UPGRADES = {
    1: ("ALTER TABLE runs ADD COLUMN details BLOB",),
}
"""The statements that migrate a store of an older version to the next one."""
