-- fail: a position of an intent appears twice on a day
SELECT day, intent, position FROM candidate GROUP BY day, intent, position HAVING COUNT(*) > 1;

-- fail: a row is of another day than those computed, or of no position
SELECT * FROM candidate WHERE day IS NULL OR day < @first_day OR day > @as_of OR position IS NULL OR position < 1;

-- fail: more was taken than shown
SELECT * FROM candidate WHERE clicked > shown OR carted > shown OR ordered > shown;
