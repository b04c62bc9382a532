-- Owned by skill-graph-loader.

-- The version served when this one was published, for rollback and diff. NULL if there was none, and for versions older
-- than this column; those use the publish order.
ALTER TABLE skill_graph ADD COLUMN parent TEXT;
