-- title Returns of daily closes
-- description Simple and logarithmic return of each close over the close `periods` rows of its symbol before, which may
--   lie before `start`. Null where there is none, or where it is not positive.
-- table bars = market_data.bars_1d
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first day
-- parameter end: timestamp = null      first day after it
-- parameter periods: integer = 1       rows between the two closes
-- returns symbol, date, close, return, log_return
WITH picked AS (
    SELECT
        symbol, date, close,
        lag(close, $periods::INTEGER) OVER (PARTITION BY symbol ORDER BY date) AS before
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($end IS NULL OR date < $end)
)
SELECT
    symbol,
    date,
    close,
    CASE WHEN before > 0 THEN close / before - 1 END AS return,
    CASE WHEN before > 0 AND close > 0 THEN ln(close / before) END AS log_return
FROM picked
WHERE $start IS NULL OR date >= $start
ORDER BY symbol, date
