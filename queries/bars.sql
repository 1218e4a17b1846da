-- title Bars of trades
-- description Open, high, low and close of each span of `width`, from the trades in their stored order; spans without
--   a trade have no bar. Spans begin at whole multiples of `width` since 1970-01-01 UTC and bear the time of their
--   beginning.
-- table trades = market_data.trades
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first instant
-- parameter end: timestamp = null      first instant after it
-- parameter width: duration = 1min     length of a bar
-- returns symbol, time, open, high, low, close, volume, vwap, trades
WITH picked AS (
    SELECT symbol, time, epoch_ns(time) AS ns, price, size, _sequence
    FROM trades
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
)
SELECT
    symbol,
    make_timestamp_ns(ns - (ns % $width + $width) % $width) AS time,
    arg_min(price, (ns, _sequence)) AS open,
    max(price) AS high,
    min(price) AS low,
    arg_max(price, (ns, _sequence)) AS close,
    sum(size)::DOUBLE AS volume,
    sum(price * size) / nullif(sum(size), 0) AS vwap,
    count(*) AS trades
FROM picked
GROUP BY symbol, ns - (ns % $width + $width) % $width
ORDER BY symbol, time
