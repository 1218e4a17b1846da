-- title Daily bars from minutes
-- description One bar of each symbol and calendar day of `timezone`, so that a session which crosses midnight UTC stays
--   whole. The day is that of the beginning of the minute.
-- table bars = market_data.bars_1m
-- parameter symbol: strings = null        one symbol, or several; null for all
-- parameter start: timestamp = null       first instant
-- parameter end: timestamp = null         first instant after it
-- parameter timezone: string = 'UTC'      zone whose midnight ends the day, such as America/New_York
-- returns symbol, date, open, high, low, close, volume, bars
WITH picked AS (
    SELECT symbol, epoch_ns(time) AS ns, open, high, low, close, volume
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
),
dated AS (
    -- whole microseconds, rounded down: a cast of nanoseconds would round up into the next day
    SELECT *, timezone($timezone, make_timestamptz((ns - (ns % 1000 + 1000) % 1000) // 1000))::DATE AS date
    FROM picked
)
SELECT
    symbol,
    date,
    arg_min(open, ns) AS open,
    max(high) AS high,
    min(low) AS low,
    arg_max(close, ns) AS close,
    sum(volume)::DOUBLE AS volume,
    count(*) AS bars
FROM dated
GROUP BY symbol, date
ORDER BY symbol, date
