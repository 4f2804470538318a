-- The record of consent. One row per decision of a user about a purpose, as it was received.
-- Look-back: the decisions received from first_day to the end of as_of (UTC), whenever they were made.
SELECT
  event_id,
  user_id,
  purpose,
  granted,
  policy_version,
  source,
  occurred_at,
  DATE(received_at) AS received_on
FROM consents
WHERE
  received_at >= TIMESTAMP(@first_day)
  AND received_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
