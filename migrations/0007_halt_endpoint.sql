-- Owner: personal-assistant. Whose halt it is: '' is the owner's, otherwise the endpoint (`telegram.main`) whose approver
-- wrote it. Each may halt the same target, and lifts only its own; the owner lifts all. Halts from before are the owner's.
ALTER TABLE halt ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
DROP INDEX halt_in_force;
CREATE UNIQUE INDEX halt_in_force ON halt (target, endpoint) WHERE resumed_at IS NULL;
