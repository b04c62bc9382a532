-- Owner: personal-assistant. The cost of a run while it runs, more money for it, and runs that are cut off.

-- Reported so far by the run of this claim; null: nothing yet.
ALTER TABLE claim ADD COLUMN cost_u INTEGER;
-- How far the run may spend. amt_u is what counts in the budget: the larger of it and the reported cost. Null: amt_u.
ALTER TABLE hold ADD COLUMN limit_u INTEGER;
-- 1: its run was cut off, so the amount is the last one known; the run's own late report replaces it.
ALTER TABLE posted ADD COLUMN cut_off INTEGER NOT NULL DEFAULT 0;
-- JSON list of contracts::outbox::Target: where to ask about more money for this run.
ALTER TABLE approvals ADD COLUMN ask TEXT;
-- The task whose hold this approval adds to. It starts no work of its own.
ALTER TABLE approvals ADD COLUMN tops_up TEXT;
CREATE INDEX approvals_by_run ON approvals (tops_up) WHERE tops_up IS NOT NULL;
CREATE INDEX approvals_leased ON approvals (lease_until) WHERE state = 'claimed' AND lease_until IS NOT NULL;
-- Runs that were lost before this version: their days are closed and are not charged afterwards.
UPDATE approvals SET lease_until = NULL
WHERE state = 'claimed' AND lease_until < CAST(strftime('%s', 'now') AS INTEGER) * 1000 - 3600000;
