-- What the weights are fitted on. One row per user and product of one earlier day's reorders: the inputs as they were
-- served then, and whether the user bought the product again within the 7 and the 30 days after.
-- Look-back: the latest reorders whose 30 days end at or before the end of as_of (UTC), at most 30 days earlier than
-- that, and of the purchases since then only what was known by the end of as_of.
-- At most 30,000 pairs, chosen by a hash so that the choice is even and the same every time.
WITH snapshot AS (
  SELECT MAX(as_of) AS as_of
  FROM reorders
  WHERE as_of BETWEEN DATE_SUB(@as_of, INTERVAL 60 DAY) AND DATE_SUB(@as_of, INTERVAL 30 DAY)
),

bought AS (
  SELECT
    purchases.user_id,
    purchases.product_id,
    purchases.order_id,
    MIN(purchases.ordered_at) < TIMESTAMP(DATE_ADD(MIN(snapshot.as_of), INTERVAL 8 DAY)) AS soon
  FROM purchases
  CROSS JOIN snapshot
  WHERE
    purchases.known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND purchases.ordered_at >= TIMESTAMP(DATE_ADD(snapshot.as_of, INTERVAL 1 DAY))
    AND purchases.ordered_at < TIMESTAMP(DATE_ADD(snapshot.as_of, INTERVAL 31 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 60 DAY) -- reads fewer partitions; clocks may be a day ahead
  GROUP BY purchases.user_id, purchases.product_id, purchases.order_id
  HAVING SUM(IF(purchases.status = 'placed', purchases.quantity, -purchases.quantity)) > 0
),

bought_again AS (
  SELECT user_id, product_id, LOGICAL_OR(soon) AS soon FROM bought GROUP BY user_id, product_id
),

served AS (
  SELECT
    reorders.as_of,
    reorders.user_id,
    reorders.product_id,
    reorders.inputs,
    -- REPLACE puts the two together: beside a CONCAT the emulator does not find RECORD columns.
    MD5(REPLACE(REPLACE('<user> <product>', '<user>', reorders.user_id), '<product>', reorders.product_id)) AS lot
  FROM reorders
  INNER JOIN snapshot ON reorders.as_of = snapshot.as_of
  WHERE
    reorders.as_of BETWEEN DATE_SUB(@as_of, INTERVAL 60 DAY) AND DATE_SUB(@as_of, INTERVAL 30 DAY)
    AND reorders.inputs.since_last_log IS NOT NULL
)

SELECT
  served.as_of,
  served.inputs.purchases_log,
  served.inputs.decayed_log,
  served.inputs.recent_log,
  served.inputs.overdue,
  served.inputs.bought_once,
  served.inputs.basket_share_log,
  served.inputs.activity_log,
  served.inputs.repeat_rate_logit,
  served.inputs.rate_log,
  served.inputs.trend_log,
  served.inputs.since_last_log,
  served.inputs.overdue_beyond,
  served.inputs.gap_log,
  served.inputs.gap_variation,
  served.inputs.recent_10_log,
  served.inputs.decayed_45_log,
  served.inputs.user_since_last_log,
  served.inputs.user_overdue,
  served.inputs.user_decayed_log,
  served.inputs.basket_size_log,
  served.inputs.user_repeat_logit,
  served.inputs.user_again_logit,
  served.inputs.product_again_logit,
  served.inputs.product_rate_log,
  served.inputs.category_share_log,
  served.inputs.category_overdue,
  bought_again.user_id IS NOT NULL AS bought,
  IFNULL(bought_again.soon, FALSE) AS bought_soon
FROM served
LEFT JOIN bought_again ON served.user_id = bought_again.user_id AND served.product_id = bought_again.product_id
ORDER BY served.lot, served.user_id, served.product_id
LIMIT 30000
