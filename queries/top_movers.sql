-- title Largest moves of a day
-- description The symbols whose close moved most against their close before, up or down, on the last day with bars at or
--   before `date`. Symbols without a bar on that day, or without one before it, are left out.
-- table bars = market_data.bars_1d
-- parameter date: timestamp = null     the day; null for the newest
-- parameter count: integer = 10        how many symbols
-- parameter symbol: strings = null     symbols to choose from; null for all
-- returns symbol, date, close, previous_close, change
WITH picked AS (
    SELECT symbol, date, close
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($date IS NULL OR date <= $date)
),
moved AS (
    SELECT *, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS previous_close FROM picked
)
SELECT symbol, date, close, previous_close, close / previous_close - 1 AS change
FROM moved
WHERE date = (SELECT max(date) FROM picked) AND previous_close > 0
ORDER BY abs(change) DESC, symbol
LIMIT $count
