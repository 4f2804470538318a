-- fail: a decision has no user, no purpose, no answer or no time
SELECT * FROM candidate
WHERE user_id IS NULL OR purpose IS NULL OR granted IS NULL OR policy_version IS NULL OR occurred_at IS NULL;

-- fail: a decision appears twice
SELECT event_id FROM candidate GROUP BY event_id HAVING COUNT(*) > 1;

-- fail: a row is of another day than those computed
SELECT * FROM candidate WHERE received_on IS NULL OR received_on < @first_day OR received_on > @as_of;
