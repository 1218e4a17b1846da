-- title Drawdown from the peak
-- description Each close against the highest close of its symbol so far, counted from `start`: 0 at a peak, -0.25 a
--   quarter below it.
-- table bars = market_data.bars_1d
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first day
-- parameter end: timestamp = null      first day after it
-- returns symbol, date, close, peak, drawdown
SELECT
    symbol,
    date,
    close,
    max(close) OVER (PARTITION BY symbol ORDER BY date) AS peak,
    CASE WHEN peak > 0 THEN close / peak - 1 END AS drawdown
FROM bars
WHERE ($symbol IS NULL OR symbol IN $symbol)
  AND ($start IS NULL OR date >= $start)
  AND ($end IS NULL OR date < $end)
ORDER BY symbol, date
