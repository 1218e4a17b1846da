-- title Longer bars from shorter ones
-- description Bars of `width` from bars of any shorter width that divides it. Spans begin at whole multiples of `width`
--   since 1970-01-01 UTC and bear the time of their beginning; spans without a bar have none.
-- table bars = market_data.bars_1m
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first instant
-- parameter end: timestamp = null      first instant after it
-- parameter width: duration = 5min     length of a bar
-- returns symbol, time, open, high, low, close, volume, bars
WITH picked AS (
    SELECT symbol, epoch_ns(time) AS ns, open, high, low, close, volume
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
)
SELECT
    symbol,
    make_timestamp_ns(ns - (ns % $width + $width) % $width) AS time,
    arg_min(open, ns) AS open,
    max(high) AS high,
    min(low) AS low,
    arg_max(close, ns) AS close,
    sum(volume)::DOUBLE AS volume,
    count(*) AS bars
FROM picked
GROUP BY symbol, ns - (ns % $width + $width) % $width
ORDER BY symbol, time
