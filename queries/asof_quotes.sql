-- title Trades with the quote of their moment
-- description Each trade with the last quote of its symbol at or before it; of quotes at one instant the last counts. A
--   quote older than `max_age` is not used, and the trade then has nulls. `age` is in nanoseconds.
-- table trades = market_data.trades
-- table quotes = market_data.quotes
-- parameter symbol: strings = null      one symbol, or several; null for all
-- parameter start: timestamp = null     first instant of the trades
-- parameter end: timestamp = null       first instant after them
-- parameter max_age: duration = 1d      oldest quote that is used
-- returns symbol, time, price, size, bid, ask, mid, quote_time, age
WITH taken AS (
    SELECT symbol, time, price, size, _sequence, epoch_ns(time)::HUGEINT * 4294967296 + 4294967295 AS moment
    FROM trades
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
),
offered AS (
    SELECT symbol, time, bid, ask, epoch_ns(time)::HUGEINT * 4294967296 + _sequence AS moment
    FROM quotes
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= make_timestamp_ns(epoch_ns($start::TIMESTAMP_NS) - $max_age))
      AND ($end IS NULL OR time < $end)
),
joined AS (
    SELECT t.symbol, t.time, t.price, t.size, t._sequence, q.bid, q.ask, q.time AS quote_time
    FROM taken AS t
    ASOF LEFT JOIN offered AS q ON t.symbol = q.symbol AND t.moment >= q.moment
),
aged AS (
    SELECT *, epoch_ns(time) - epoch_ns(quote_time) AS nanoseconds, nanoseconds <= $max_age AS fresh FROM joined
)
SELECT
    symbol,
    time,
    price,
    size,
    CASE WHEN fresh THEN bid END AS bid,
    CASE WHEN fresh THEN ask END AS ask,
    CASE WHEN fresh THEN (bid + ask) / 2 END AS mid,
    CASE WHEN fresh THEN quote_time END AS quote_time,
    CASE WHEN fresh THEN nanoseconds END AS age
FROM aged
ORDER BY symbol, time, _sequence
