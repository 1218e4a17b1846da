-- title Volume over the day
-- description Of each symbol and span of `width` of the local day: its mean volume over all days that have a bar, and its
--   share of the volume of those days. Days without a bar in a span count there as zero.
-- table bars = market_data.bars_1m
-- parameter symbol: strings = null        one symbol, or several; null for all
-- parameter start: timestamp = null       first instant
-- parameter end: timestamp = null         first instant after it
-- parameter width: duration = 30min       length of a span
-- parameter timezone: string = 'UTC'      zone of the local day, such as America/New_York
-- returns symbol, time_of_day, volume, share, days
WITH picked AS (
    SELECT symbol, volume, (epoch_ns(time) - (epoch_ns(time) % 1000 + 1000) % 1000) // 1000 AS us
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
),
local AS (
    SELECT symbol, volume, timezone($timezone, make_timestamptz(us)) AS moment FROM picked
),
spans AS (
    SELECT
        symbol,
        volume,
        moment::DATE AS day,
        (epoch_us(moment) - epoch_us(moment::DATE::TIMESTAMP)) * 1000 // $width * $width AS since_midnight
    FROM local
),
totals AS (
    SELECT symbol, sum(volume) AS volume, count(DISTINCT day) AS days FROM spans GROUP BY symbol
)
SELECT
    s.symbol,
    make_time(0, 0, 0) + to_microseconds(s.since_midnight // 1000) AS time_of_day,
    sum(s.volume) / any_value(t.days) AS volume,
    sum(s.volume) / nullif(any_value(t.volume), 0) AS share,
    any_value(t.days) AS days
FROM spans AS s
JOIN totals AS t ON s.symbol = t.symbol
GROUP BY s.symbol, s.since_midnight
ORDER BY symbol, time_of_day
