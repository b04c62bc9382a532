-- Owned by monitoring-dashboard.

-- Digest of the key that the browser's pages keep; null in a browser without scripts.
ALTER TABLE dashboard_session ADD COLUMN key_hash TEXT;
