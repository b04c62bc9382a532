-- Owned by monitoring-dashboard; no other service reads or writes these tables.

-- Signed-in browsers. Only a digest of the cookie is stored. Rows live 12 hours.
CREATE TABLE dashboard_session (
  id_hash      TEXT PRIMARY KEY,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  -- The console's conversation of this browser, as webhook-aggregator named it.
  conversation TEXT
) WITHOUT ROWID;

-- Printed, unused sign-in links. Rows live 10 minutes.
CREATE TABLE dashboard_sign_in_link (
  code_hash  TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Each service's status at its last check; `system` is all of them together.
CREATE TABLE probe (
  service    TEXT PRIMARY KEY,
  -- healthy, degraded, down or unknown
  status     TEXT NOT NULL,
  -- Failed checks in a row.
  fails      INTEGER NOT NULL,
  -- Start of this status.
  since      INTEGER NOT NULL,
  checked_at INTEGER NOT NULL,
  latency_ms REAL,
  detail     TEXT
) WITHOUT ROWID;

-- Measured time of one series (`probe.<service>`) in the hour that starts at `t`. Rows live 8 days.
CREATE TABLE metrics (
  series         TEXT NOT NULL,
  t              INTEGER NOT NULL,
  up_ms          INTEGER NOT NULL,
  degraded_ms    INTEGER NOT NULL,
  down_ms        INTEGER NOT NULL,
  checks         INTEGER NOT NULL,
  latency_checks INTEGER NOT NULL,
  latency_ms_sum REAL NOT NULL,
  PRIMARY KEY (series, t)
) WITHOUT ROWID;
