-- title Last trades of each symbol
-- description The last `count` trades of each symbol before `end`, in their stored order.
-- table trades = market_data.trades
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter end: timestamp = null      first instant after them; null for the newest
-- parameter count: integer = 1         how many of each symbol
-- returns symbol, time, price, size
WITH picked AS (
    SELECT symbol, time, price, size, _sequence
    FROM trades
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($end IS NULL OR time < $end)
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY time DESC, _sequence DESC) <= $count
)
SELECT symbol, time, price, size FROM picked ORDER BY symbol, time, _sequence
