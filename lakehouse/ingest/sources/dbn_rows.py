"""Databento's binary encoding (DBN), through their own library: any schema, versions 1 to 3.

A price is a whole number of 1e-9 in the file: a float column gets the nearest float of the decimal, an
integer column the whole number. What DBN calls undefined is null. Instrument ids become symbols by the
mapping in the file's header and the day of the row; without any mapping the symbol is the id's digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.dbn_records import decode
from lakehouse.ingest.sources.rows import Wish
from lakehouse.ingest.sources.unpack import Payload

if TYPE_CHECKING:
    import databento_dbn as dbn

_PRICE_SCALE = 10**9
_EXACT_FLOAT = 2**53
_UNDEFINED = 2**63 - 1
_UNDEFINED_TIME = 2**64 - 1
_NS_PER_DAY = 86_400_000_000_000


class DbnRows:
    """The rows of a DBN file or fragment: `symbol`, then the fields of the record as Databento names them."""

    textual = False

    def __init__(self, payload: Payload) -> None:
        """Decode the header and find the records.

        Raises:
            MissingExtraError: databento-dbn is not installed.
            SourceError: the file is truncated or damaged, or mixes records of several kinds.
        """
        self._label = payload.label
        found = decode(payload)
        self._meta, self._rows, kind = found.meta, found.rows, found.kind
        self._times = {"ts_out", *(kind._timestamp_fields if kind else ())}
        self._prices = set(kind._price_fields if kind else ())
        hidden = set(kind._hidden_fields) if kind else set()
        fields = [name for name in self._rows.dtype.names or () if name not in hidden]
        self.names: tuple[str, ...] = ("symbol", *fields) if kind else ()
        self.arrow_schema: pa.Schema | None = self._schema()

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`; times are nanoseconds of UTC."""
        return {position: self._column(self.names[position], wish) for position, wish in wishes.items()}

    def _schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, self._arrow_type(name)) for name in self.names])

    def _arrow_type(self, name: str) -> pa.DataType:
        if name in self._times:
            return pa.timestamp("ns", "UTC")
        if name in self._prices:
            return pa.float64()
        kind = None if name == "symbol" else self._rows.dtype[name]
        return pa.string() if kind is None or kind.kind == "S" else pa.from_numpy_dtype(kind)

    def _column(self, name: str, wish: Wish) -> pl.Series:
        if name == "symbol":
            return self._symbols()
        values = np.ascontiguousarray(self._rows[name])
        if name in self._times:
            known = values != _UNDEFINED_TIME
            instants = pl.Series(np.where(known, values, 0).view(np.int64))
            return _known(instants.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"), known)
        if name in self._prices:
            return _prices(values, wish)
        if values.dtype.kind == "S":
            return self._texts(name)
        return _known(pl.Series(values), values != _UNDEFINED if name == "quantity" else None)

    def _texts(self, name: str) -> pl.Series:
        try:
            return pl.Series(np.ascontiguousarray(self._rows[name])).cast(pl.String)
        except pl.exceptions.ComputeError as error:
            raise SourceError(f"{self._label} is a damaged DBN file: {name!r} is no text.") from error

    def _symbols(self) -> pl.Series:
        ids = pl.Series(np.ascontiguousarray(self._rows["instrument_id"])).cast(pl.String)
        mappings = _mappings(self._meta)
        if not mappings.height:
            named = "raw_symbol" in self.names
            return self._texts("raw_symbol") if named else ids
        times = self._rows["ts_recv" if "ts_recv" in self.names else "ts_event"]
        days = pl.Series((times // np.uint64(_NS_PER_DAY)).astype(np.int32)).cast(pl.Date)
        rows = pl.DataFrame({"instrument": ids, "day": days})
        # Few days of few instruments: the intervals are looked up once for each, not for every row.
        known = rows.unique().join(mappings, on="instrument")
        known = known.filter(pl.col("day") >= pl.col("start"), pl.col("day") < pl.col("end"))
        first = known.unique(["instrument", "day"], keep="first", maintain_order=True)
        return rows.join(first, on=["instrument", "day"], how="left", maintain_order="left")["symbol"]


def _prices(values: npt.NDArray[np.int64], wish: Wish) -> pl.Series:
    known = values != _UNDEFINED
    whole = np.where(known, values, 0)
    if wish == "integer":
        return _known(pl.Series(whole), known)
    if wish == "float" and int(np.abs(whole).max(initial=0)) <= _EXACT_FLOAT:
        return _known(pl.Series(whole / _PRICE_SCALE), known)  # both are exact, so it is rounded once
    digits = pa.array(whole).cast(pa.decimal128(38, 0)).view(pa.decimal128(38, 9))
    return _known(cast("pl.Series", pl.from_arrow(digits)), known)


def _known(series: pl.Series, known: npt.NDArray[np.bool_] | None) -> pl.Series:
    if known is None or known.all():
        return series
    return series.zip_with(pl.Series(known), pl.Series([None], dtype=series.dtype))


def _mappings(meta: dbn.Metadata | None) -> pl.DataFrame:
    """Return which symbol an instrument has, and from which day to the day after the last."""
    asked_by_id = meta is not None and str(meta.stype_in) == "instrument_id"
    found = []
    for asked, intervals in (meta.mappings if meta else {}).items():
        for interval in intervals:
            names = (interval["symbol"], asked)
            instrument, symbol = reversed(names) if asked_by_id else names
            if instrument and symbol:
                found.append((instrument, interval["start_date"], interval["end_date"], symbol))
    kinds = {"instrument": pl.String, "start": pl.Date, "end": pl.Date, "symbol": pl.String}
    return pl.DataFrame(found, kinds, orient="row")
