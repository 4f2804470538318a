-- fail: a user and window appear twice, or a row has no user
SELECT user_id FROM candidate GROUP BY user_id, window_days HAVING COUNT(*) > 1 OR user_id IS NULL;

-- fail: a row is of another date than the partition, or since a later one
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of OR since IS NULL OR since > @as_of;

-- fail: a persona is missing or none of the eight
SELECT * FROM candidate
WHERE
  persona IS NULL
  OR persona NOT IN (
    'browser', 'newcomer', 'lapsing', 'stock_up', 'top_up', 'explorer', 'deal_seeker', 'steady'
  );

-- fail: a share or a score is not between 0 and 1
SELECT * FROM candidate
WHERE NOT (new_share BETWEEN 0 AND 1) OR NOT (deal_share BETWEEN 0 AND 1) OR NOT (score BETWEEN 0 AND 1);

-- warn: nobody has one (no profiles? run profiles first)
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) = 0;
