-- title Time-weighted average price
-- description Of each symbol and span of `width`: a price counts from its trade until the next one, or until the span
--   ends; before the first trade of a span nothing counts. Without `width` the whole interval is one span, which ends
--   at `end` or else with its last trade. Of trades at one instant the last counts.
-- table trades = market_data.trades
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first instant
-- parameter end: timestamp = null      first instant after it
-- parameter width: duration = 1d       length of a span
-- returns symbol, time, twap, trades
WITH picked AS (
    SELECT symbol, epoch_ns(time) AS ns, price, _sequence
    FROM trades
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
),
placed AS (
    SELECT *, ns - (ns % $width + $width) % $width AS span FROM picked
),
held AS (
    SELECT
        symbol, span, ns, _sequence, price,
        lead(ns) OVER (PARTITION BY symbol, span ORDER BY ns, _sequence) AS next_ns,
        coalesce(next_ns, least(span + $width, epoch_ns($end::TIMESTAMP_NS)), ns) - ns AS weight
    FROM placed
)
SELECT
    symbol,
    make_timestamp_ns(span) AS time,
    coalesce(sum(price * weight) / nullif(sum(weight), 0), last(price ORDER BY ns, _sequence)) AS twap,
    count(*) AS trades
FROM held
GROUP BY symbol, span
ORDER BY symbol, time
