"""Curves, and the chart and the table that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.report import number

_COLOURS = ("#1f4e79", "#d9822b", "#4c8c4a", "#8a3b6e", "#777777", "#b8a02e", "#3aa6a6")


@dataclass(frozen=True, slots=True)
class Curve:
    """One measured quantity over sizes."""

    name: str
    """what was measured"""
    values: Sequence[float]
    """one for each size of the chart"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the same sizes, with one unit."""

    name: str
    """of the file, without suffix"""
    title: str
    """what is shown"""
    sizes_of: str
    """what the sizes count"""
    unit: str
    """of all values"""
    sizes: Sequence[int]
    """increasing"""
    curves: Sequence[Curve]
    """drawn in their order"""


def to_markdown(chart: Chart) -> str:
    """Return the picture and the table of a chart."""
    sizes = " | ".join(f"{size:,}" for size in chart.sizes)
    lines = [f"| {chart.sizes_of} | {sizes} |", f"|{' --- |' * (len(chart.sizes) + 1)}"]
    for curve in chart.curves:
        values = " | ".join(number(value) for value in curve.values)
        lines.append(f"| {curve.name}, {chart.unit} | {values} |")
    picture = f"![{chart.title}](charts/{chart.name}.svg)"
    return "\n".join([f"## {chart.title}", "", picture, "", *lines]) + "\n"


def draw(chart: Chart, folder: Path) -> Path:
    """Draw a chart on two logarithmic axes into `<folder>/<name>.svg`; equal values give equal files."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    for curve, colour in zip(chart.curves, _COLOURS, strict=False):
        axes.plot(chart.sizes, curve.values, marker="o", color=colour, label=curve.name)
    axes.set(xscale="log", yscale="log", xlabel=chart.sizes_of, ylabel=chart.unit)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, high / 100), high)  # two decades at least: a flat curve shall look flat
    axes.set_xticks(list(chart.sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(chart.title, loc="left", fontweight="bold")
    axes.grid(visible=True, color="#d7dbe0", linewidth=0.6)
    axes.legend(frameon=False, fontsize="small")
    path = folder / f"{chart.name}.svg"
    with matplotlib.rc_context({"svg.hashsalt": chart.name, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
    return path
