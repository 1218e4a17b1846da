-- title Rolling volatility
-- description Sample standard deviation of the last `window` logarithmic returns of daily closes, times the root of
--   `periods_per_year`; null until there are that many. Rows before `start` are used, and not shown.
-- table bars = market_data.bars_1d
-- parameter symbol: strings = null               one symbol, or several; null for all
-- parameter start: timestamp = null              first day
-- parameter end: timestamp = null                first day after it
-- parameter window: integer = 20                 returns in the window, at least two
-- parameter periods_per_year: number = 252       rows of a year
-- returns symbol, date, close, volatility
WITH picked AS (
    SELECT symbol, date, close, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS before
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($end IS NULL OR date < $end)
),
moves AS (
    SELECT symbol, date, close, CASE WHEN before > 0 AND close > 0 THEN ln(close / before) END AS move FROM picked
),
rolled AS (
    SELECT
        symbol, date, close,
        stddev_samp(move) OVER last_rows AS deviation,
        count(move) OVER last_rows AS moves
    FROM moves
    WINDOW last_rows AS (
        PARTITION BY symbol ORDER BY date ROWS BETWEEN $window::INTEGER - 1 PRECEDING AND CURRENT ROW
    )
)
SELECT
    symbol,
    date,
    close,
    CASE WHEN moves = $window THEN deviation * sqrt($periods_per_year) END AS volatility
FROM rolled
WHERE $start IS NULL OR date >= $start
ORDER BY symbol, date
