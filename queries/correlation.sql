-- title Correlation of daily returns
-- description Of each pair of symbols, over the days on which both have a logarithmic return; pairs with fewer such days
--   than `minimum` are left out. A return goes from one close of a symbol to its next.
-- table bars = market_data.bars_1d
-- parameter symbol: strings = null     symbols; null for all, which is quadratic in their number
-- parameter start: timestamp = null    first day
-- parameter end: timestamp = null      first day after it
-- parameter minimum: integer = 20      fewest days in common
-- returns symbol, other, correlation, days
WITH picked AS (
    SELECT symbol, date, close, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS before
    FROM bars
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($end IS NULL OR date < $end)
),
moves AS (
    SELECT symbol, date, ln(close / before) AS move
    FROM picked
    WHERE before > 0 AND close > 0 AND ($start IS NULL OR date >= $start)
)
SELECT a.symbol, b.symbol AS other, corr(a.move, b.move) AS correlation, count(*) AS days
FROM moves AS a
JOIN moves AS b ON a.date = b.date AND a.symbol < b.symbol
GROUP BY a.symbol, b.symbol
HAVING count(*) >= $minimum
ORDER BY symbol, other
