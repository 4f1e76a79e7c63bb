"""The report's map: a Bokeh plot as JSON text, the same bytes for the same tables.

Bokeh numbers its models from a counter of the process, so ids are renamed here in their order of
appearance. The JSON goes into the page as data, never as script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from clustering.report.signals import format_count
from clustering.report.visible import shorten, visible
from clustering.template_text import headline, in_a_line

# Okabe and Ito's colours for every kind of colour vision, less black and the yellow that fades on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1")
MARKERS = ("circle", "triangle", "square")  # a second round of colours gets another shape
OTHER_COLOUR, BACKGROUND_COLOUR = "#7d8794", "#a9afb8"
TARGET, ROOT_DOCUMENT = "map", "report"
# Bokeh puts the values in as text nodes. The tip lies outside the page's styles, so it brings its own.
HOVER = (
    '<div style="max-width: 27rem; font: 12px/1.45 system-ui, sans-serif; color: #171b22;'
    ' unicode-bidi: isolate">'
    '<b>@title</b> <span style="color: #59626f">sent @count</span>'
    '<div style="margin-top: 3px; overflow-wrap: anywhere; white-space: normal">@prompt</div></div>'
)


@dataclass(frozen=True)
class LegendEntry:
    """A layer of the map: `layer` is the Bokeh renderer's name, `rank` None for layers of many families."""

    layer: str
    rank: int | None
    label: str
    colour: str
    marker: str
    n_points: int


@dataclass(frozen=True)
class _Layer:
    """Points drawn alike."""

    name: str
    rank: int | None
    label: str
    colour: str
    marker: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class MapPlot:
    """The plot as JSON text, safe inside a script element, and its legend."""

    json: str
    legend: tuple[LegendEntry, ...]
    n_points: int


def map_plot(
    table: pl.DataFrame, families: pl.DataFrame, *, n_coloured: int, n_characters: int
) -> MapPlot | None:
    """Draw the map, or None for an empty table.

    Parameters
    ----------
    n_coloured
        Families with a colour and a shape of their own, in the order of rank; at most 21 are told apart.
    n_characters
        Characters of a prompt shown under the pointer.
    """
    if table.is_empty():
        return None
    points = _points(table, families, n_characters)
    layers = [layer for layer in _layers(points, n_coloured) if layer.rows.height]
    entries = [
        LegendEntry(layer.name, layer.rank, layer.label, layer.colour, layer.marker, layer.rows.height)
        for layer in layers
    ]
    return MapPlot(_plot_json(layers), tuple(reversed(entries)), points.height)  # drawn last, named first


def _layers(points: pl.DataFrame, n_coloured: int) -> list[_Layer]:
    """Background, families without a colour, then the first ranks: the first rank is drawn on top."""
    ranks = (
        points["rank"].drop_nulls().unique().sort().to_list()[: min(n_coloured, len(PALETTE) * len(MARKERS))]
    )
    others = points.filter(pl.col("rank").is_not_null() & ~pl.col("rank").is_in(ranks))
    layers = [
        _Layer(
            "background",
            None,
            "No family",
            BACKGROUND_COLOUR,
            "circle",
            points.filter(pl.col("rank").is_null()),
        ),
        _Layer("others", None, "Other families", OTHER_COLOUR, "diamond", others),
    ]
    for place, rank in reversed(list(enumerate(ranks))):
        colour, marker = PALETTE[place % len(PALETTE)], MARKERS[place // len(PALETTE)]
        members = points.filter(pl.col("rank") == rank)
        layers.append(_Layer(f"rank-{rank}", rank, members["label"][0], colour, marker, members))
    return layers


def _points(table: pl.DataFrame, families: pl.DataFrame, n_characters: int) -> pl.DataFrame:
    """Mapped prompts with their family's rank and the texts shown under the pointer."""
    joined = table.join(
        families.select("family_id", "rank", "template", "medoid_prompt"),
        on="family_id",
        how="left",
        maintain_order="left",
    )
    prompts = [shorten(visible(text or "", flat=True), n_characters) for text in joined["prompt"].to_list()]
    names = joined.select("template", "medoid_prompt").iter_rows()
    labels = [shorten(visible(in_a_line(headline(*name)), flat=True), 70) for name in names]
    titles = ["No family" if rank is None else f"Family {rank}" for rank in joined["rank"].to_list()]
    counts = [f"{format_count(n)} \u00d7" for n in joined["n_requests"].to_list()]
    return joined.select("x", "y", "rank").with_columns(
        prompt=pl.Series(prompts, dtype=pl.String),
        label=pl.Series(labels, dtype=pl.String),
        title=pl.Series(titles, dtype=pl.String),
        count=pl.Series(counts, dtype=pl.String),
    )


def _plot_json(layers: list[_Layer]) -> str:
    """The figure of all layers, serialised for ``Bokeh.embed.embed_item``."""
    from bokeh.embed import json_item
    from bokeh.themes import Theme

    item = json_item(_figure(layers), target=TARGET, theme=Theme(json={}))  # type: ignore[arg-type]
    text = json.dumps(_stable(dict(item)), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":  # only ever inside JSON strings
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _figure(layers: list[_Layer]) -> Any:
    from bokeh.models import HoverTool, OpenURL, Range1d, TapTool
    from bokeh.plotting import figure

    x = np.concatenate([layer.rows["x"].to_numpy() for layer in layers])
    y = np.concatenate([layer.rows["y"].to_numpy() for layer in layers])
    low_x, high_x, low_y, high_y = (float(v) for v in (x.min(), x.max(), y.min(), y.max()))
    pad = 0.04 * max(high_x - low_x, high_y - low_y, 1.0)
    plot = figure(
        height=640,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset",
        x_range=Range1d(start=low_x - pad, end=high_x + pad),
        y_range=Range1d(start=low_y - pad, end=high_y + pad),
        x_axis_location=None,
        y_axis_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
    )
    plot.grid.visible = False
    plot.toolbar.logo = None
    renderers = [_draw(plot, layer) for layer in layers]
    ranked = [r for r, layer in zip(renderers, layers, strict=True) if layer.name != "background"]
    plot.add_tools(HoverTool(renderers=renderers, tooltips=HOVER, limit=1, point_policy="follow_mouse"))
    plot.add_tools(TapTool(renderers=ranked, callback=OpenURL(url="#family-@rank", same_tab=True)))
    for layer in layers:
        if layer.rank is not None:
            _label(plot, layer)
    return plot


def _draw(plot: Any, layer: _Layer) -> Any:
    """One layer's points; the background is drawn small and faint."""
    columns = {name: layer.rows[name].to_list() for name in ("rank", "title", "count", "prompt")}
    columns |= {
        name: np.round(layer.rows[name].to_numpy().astype(np.float64), 3).tolist() for name in ("x", "y")
    }
    renderer = plot.scatter(
        "x",
        "y",
        source=_source(columns),
        marker=layer.marker,
        size={"background": 3, "others": 4.5}.get(layer.name, 5.5),
        fill_color=layer.colour,
        line_color=None,
        fill_alpha={"background": 0.35, "others": 0.5}.get(layer.name, 0.85),
        name=layer.name,
    )
    renderer.nonselection_glyph = None  # a click leads to the family; it does not fade the others
    renderer.selection_glyph = None
    return renderer


def _label(plot: Any, layer: _Layer) -> None:
    """The rank, on a chip of the family's colour, at its most central mapped prompt."""
    xy = np.column_stack([layer.rows["x"].to_numpy(), layer.rows["y"].to_numpy()]).astype(np.float64)
    centre = xy[np.abs(xy - np.median(xy, axis=0)).sum(axis=1).argmin()].round(3)
    plot.text(
        "x",
        "y",
        "text",
        source=_source({"x": [centre[0].item()], "y": [centre[1].item()], "text": [str(layer.rank)]}),
        y_offset=-14,  # above its points, which a small family would vanish under
        text_align="center",
        text_baseline="middle",
        text_color="#ffffff",
        text_font_size="11px",
        text_font_style="bold",
        background_fill_color=layer.colour,
        background_fill_alpha=0.95,
        border_line_color="#ffffff",
        border_line_width=1.5,
        border_radius=8,
        padding=4,
        name=f"{layer.name}-label",
    )


def _source(columns: Mapping[str, list[Any]]) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource(data=dict(columns))


def _stable(item: dict[str, Any]) -> dict[str, Any]:
    """The item with its document's and models' ids renamed by order of appearance.

    Only values of an "id" key are ids; data of the tables are values of lists, so no text of a prompt is
    touched.
    """
    names: dict[str, str] = {}

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: names.setdefault(value, f"m{len(names)}")
                if key == "id" and isinstance(value, str)
                else renamed(value)
                for key, value in node.items()
            }
        return [renamed(part) for part in node] if isinstance(node, list) else node

    document = renamed(item["doc"])
    return {
        "target_id": TARGET,
        "root_id": names[item["root_id"]],
        "doc": document,
        "version": item["version"],
    }
