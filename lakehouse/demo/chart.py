"""One chart: the backtest on the pinned data, and on the head after the vendor's correction."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.demo.backtest import Backtest
from lakehouse.demo.correction import FACTOR, Correction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PINNED, _HEAD, _MARK, _GRID = "#1f4e79", "#d9822b", "#555555", "#d7dbe0"


def draw_chart(path: Path, pinned: Backtest, head: Backtest, correction: Correction, *, title: str) -> None:
    """Write a PNG file: both equity curves above, what the correction moved below.

    Args:
        path: of the new file.
        pinned: the run on the checkout.
        head: the run on the corrected head.
        correction: marked by a line.
        title: what was traded, by what rule.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no display, and no global state of pyplot
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    curves, moved = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_curves(curves, pinned, head)
    _draw_difference(moved, pinned, head)
    for axes in (curves, moved):
        _dress(axes, correction)
    curves.set_title(title, loc="left", fontsize=14, fontweight="bold", pad=30)
    curves.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a symbol may be of any script
        figure.savefig(path, dpi=150)


def _draw_curves(axes: Axes, pinned: Backtest, head: Backtest) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator

    axes.plot(head.times, head.equity, color=_HEAD, linewidth=1.6, label="head, after the correction")
    axes.plot(pinned.times, pinned.equity, color=_PINNED, linewidth=1.6, label="checkout of the lock")
    for run, color, side in ((head, _HEAD, "bottom"), (pinned, _PINNED, "top")):
        axes.annotate(
            f"{run.equity[-1]:.3g}",
            (run.times[-1], run.equity[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=color,
            va=side,
        )
    axes.set(ylabel="value of 1 unit of money", yscale="log")
    lowest, highest = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if highest < 50 * lowest else (1,)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.minorticks_off()


def _draw_difference(axes: Axes, pinned: Backtest, head: Backtest) -> None:
    difference = 100 * (head.equity / pinned.equity - 1)
    axes.fill_between(pinned.times, difference, color=_HEAD, alpha=0.3, linewidth=0)
    axes.plot(pinned.times, difference, color=_HEAD, linewidth=1.2)
    axes.set(xlabel="time (UTC)", ylabel="head above\ncheckout (%)")


def _dress(axes: Axes, correction: Correction) -> None:
    label = f"{correction.symbol}: earlier prices restated by a factor of {FACTOR}"
    mark: Any = correction.before  # matplotlib takes numpy's times; its annotations say float
    axes.axvline(mark, color=_MARK, linewidth=1, linestyle=(0, (4, 3)), label=label)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.03)
