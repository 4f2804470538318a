-- One row is: a user and a purpose, and what the user's latest decision about it says.
-- For: jobs: who is not here has decided nothing, and CONSENT_OTHERWISE counts.
-- Example: SELECT purpose, COUNTIF(granted) AS granted, COUNTIF(NOT granted) AS refused FROM shopstream.consent_states GROUP BY purpose
SELECT
  user_id,
  purpose,
  granted,
  policy_version,
  from_at AS decided_at
FROM `{dataset}.consent_periods`
WHERE until_at IS NULL
