-- One row is: a decision of a user about a purpose, and from when until when it was the one that counted.
-- For: jobs, and whoever must show what was allowed when. Of two decisions at one moment the refusal counts.
-- Example: SELECT granted FROM shopstream.consent_periods WHERE user_id = 'u-42' AND purpose = 'analytics' AND from_at <= TIMESTAMP '2026-11-01' AND (until_at IS NULL OR until_at > TIMESTAMP '2026-11-01')
WITH decisions AS (
  SELECT event_id, user_id, purpose, granted, policy_version, source, occurred_at
  FROM `{dataset}_privacy.consent_record`
  UNION DISTINCT
  SELECT event_id, user_id, purpose, granted, policy_version, source, occurred_at
  FROM `{dataset}.consents`
)

SELECT
  user_id,
  purpose,
  granted,
  policy_version,
  source,
  occurred_at AS from_at,
  LEAD(occurred_at) OVER (PARTITION BY user_id, purpose ORDER BY occurred_at, granted DESC, event_id) AS until_at,
  event_id
FROM decisions
