-- title Quoted spread
-- description Of each symbol and span of `width`: mean spread in price, in basis points of the mid, and weighted with
--   the time for which each quote stood, until the next quote of its span or the end of the span. Quotes without both
--   sides, crossed ones, and ones at a mid of zero or below are left out.
-- table quotes = market_data.quotes
-- parameter symbol: strings = null     one symbol, or several; null for all
-- parameter start: timestamp = null    first instant
-- parameter end: timestamp = null      first instant after it
-- parameter width: duration = 1d       length of a span
-- returns symbol, time, spread, spread_bps, time_weighted_spread, time_weighted_spread_bps, quotes
WITH picked AS (
    SELECT symbol, epoch_ns(time) AS ns, _sequence, ask - bid AS spread, 20000 * (ask - bid) / (ask + bid) AS bps
    FROM quotes
    WHERE ($symbol IS NULL OR symbol IN $symbol)
      AND ($start IS NULL OR time >= $start)
      AND ($end IS NULL OR time < $end)
      AND ask >= bid AND ask + bid > 0 AND NOT isnan(ask) AND NOT isnan(bid)
),
placed AS (
    SELECT *, ns - (ns % $width + $width) % $width AS span FROM picked
),
held AS (
    SELECT
        *,
        lead(ns) OVER (PARTITION BY symbol, span ORDER BY ns, _sequence) AS next_ns,
        coalesce(next_ns, least(span + $width, epoch_ns($end::TIMESTAMP_NS))) - ns AS weight
    FROM placed
)
SELECT
    symbol,
    make_timestamp_ns(span) AS time,
    avg(spread) AS spread,
    avg(bps) AS spread_bps,
    sum(spread * weight) / nullif(sum(weight), 0) AS time_weighted_spread,
    sum(bps * weight) / nullif(sum(weight), 0) AS time_weighted_spread_bps,
    count(*) AS quotes
FROM held
GROUP BY symbol, span
ORDER BY symbol, time
