-- title Volume-weighted average price
-- description Of each symbol and span of `width`; the whole interval is one span if `width` is null. Trades without
--   size do not count; a span in which nothing has size has the price null. Spans begin at whole multiples of `width`
--   since 1970-01-01 UTC and bear the time of their beginning.
-- table trades = market_data.trades
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first instant
-- parameter end: timestamp = null      first instant after it
-- parameter width: duration = 1d       length of a span
-- returns symbol, time, vwap, volume, trades
WITH picked AS (
    SELECT symbol, epoch_ns(time) AS ns, price, size
    FROM trades
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
)
SELECT
    symbol,
    make_timestamp_ns(ns - (ns % $width + $width) % $width) AS time,
    sum(price * size) / nullif(sum(size), 0) AS vwap,
    sum(size)::DOUBLE AS volume,
    count(*) AS trades
FROM picked
GROUP BY ALL
ORDER BY symbol, time
