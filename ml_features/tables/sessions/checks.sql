-- fail: a session appears twice, or has no session_id
SELECT session_id FROM candidate GROUP BY session_id HAVING COUNT(*) > 1 OR session_id IS NULL;

-- fail: a row is of another day than those computed
SELECT * FROM candidate WHERE day IS NULL OR day < @first_day OR day > @as_of OR day != DATE(started_at);

-- fail: a session ended before it began, or has no steps
SELECT * FROM candidate WHERE ended_at < started_at OR ARRAY_LENGTH(steps) = 0;

-- warn: a session lasted longer than a day
SELECT * FROM candidate WHERE TIMESTAMP_DIFF(ended_at, started_at, SECOND) > 86400;
