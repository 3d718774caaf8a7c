"""Grafana's JSON of a dashboard, by the types that Grafana itself generates for Python.

They are of Grafana 11.6, whose format every later one reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import (
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model
from grafana_foundation_sdk.models import text as text_model

from scripts.grafana.model import Kind
from scripts.grafana.runbooks import DASHBOARD as RUNBOOKS

if TYPE_CHECKING:
    from scripts.grafana.model import Dashboard, Panel

TAG = "stockstream"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
EVERY = model.VariableOption(text="All", value="$__all")
AnyPanel = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel
BUILDERS: dict[Kind, type[AnyPanel]] = {
    Kind.GRAPH: timeseries.Panel,
    Kind.NUMBER: stat.Panel,
    Kind.STATES: statetimeline.Panel,
    Kind.TABLE: table.Panel,
}


def uid(name: str) -> str:
    """What the dashboard is found by in an address."""
    return f"{TAG}-{name}"


def dashboard_json(dashboard: Dashboard) -> str:
    """The text of its file."""
    made = (
        builders.Dashboard(f"StockStream / {dashboard.title}")
        .uid(uid(dashboard.name))
        .description(dashboard.description)
        .tags([TAG])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            builders.DashboardLink("StockStream")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .annotation(
            builders.AnnotationQuery()
            .name("Annotations & Alerts")
            .datasource(model.DataSourceRef(type_val="grafana", uid="-- Grafana --"))
            .type("dashboard")
            .built_in(1)
            .enable(True)
            .hide(True)
            .icon_color("rgba(0, 211, 255, 1)")
        )
    )
    made.variables([])
    if any(panel.queries for panel in dashboard.panels):
        source = builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        made.with_variable(source)
        made.with_variable(_choice("node", "Node", "label_values(stockstream_info, instance)"))
    if dashboard.of_providers:
        asked = 'label_values(stockstream_feed_state{instance=~"$node"}, upstream)'
        made.with_variable(_choice("provider", "Provider", asked))
    number = 0
    for row in dashboard.rows:
        number += 1
        made.with_row(builders.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made.with_panel(_page(panel).id(number) if panel.text else _panel(panel).id(number))
    built = made.build()
    for variable in built.templating.list_val or []:
        # Of variables of another kind; Grafana 13's types have them no more.
        variable.auto = variable.auto_min = variable.auto_count = None
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _choice(name: str, label: str, asked: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": asked, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(EVERY)
    )


def _page(panel: Panel) -> text.Panel:
    return (
        text.Panel()
        .title(panel.title)
        .span(panel.width)
        .height(panel.height)
        .mode(text_model.TextMode.MARKDOWN)
        .content(panel.text)
    )


def _what_to_do(alert: str) -> builders.DashboardLink:
    """The way to the alert's runbook, as the page of Grafana that it is."""
    number = RUNBOOKS.identity(alert)
    return (
        builders.DashboardLink(f"What to do: {alert}")
        .type(model.DashboardLinkType.LINK)
        .tooltip(f"docs/runbooks.md#{alert.lower()}")
        .url(f"/d/{uid(RUNBOOKS.name)}?viewPanel=panel-{number}")
    )


def _panel(panel: Panel) -> AnyPanel:
    made = BUILDERS[panel.kind]()
    (
        made.title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
    )
    for place, query in enumerate(panel.queries):
        asked = (
            prometheus.Dataquery()
            .datasource(SOURCE)
            .ref_id(chr(ord("A") + place))
            .expr(query.expression)
            .editor_mode(prometheus_model.QueryEditorMode.CODE)
            .legend_format(query.legend or "__auto")
        )
        if panel.kind is Kind.TABLE:
            asked.instant().format(prometheus_model.PromQueryFormat.TABLE)
        elif panel.kind is Kind.NUMBER:
            asked.instant()
        else:
            asked.range()
        made.with_target(asked)
    if panel.steps:
        steps = [model.Threshold(value=step.value, color=step.colour) for step in panel.steps]
        made.thresholds(builders.ThresholdsConfig().steps(steps))
    if panel.runbook:
        made.links([_what_to_do(panel.runbook)])
    if panel.words:
        made.mappings([_words(panel.words)])
    _shape(made, panel)
    return made


def _words(words: tuple[tuple[str, str], ...]) -> model.ValueMap:
    return model.ValueMap(
        options={
            str(value): model.ValueMappingResult(text=word, color=colour, index=value)
            for value, (word, colour) in enumerate(words)
        }
    )


def _shape(made: AnyPanel, panel: Panel) -> None:
    """What each kind has for itself."""
    if isinstance(made, timeseries.Panel):
        if panel.from_zero:
            made.min(0)
        made.line_width(1).fill_opacity(10).show_points(common_model.VisibilityMode.NEVER)
        made.tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        made.legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        if panel.stacked:
            made.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    elif isinstance(made, stat.Panel):
        made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        made.graph_mode(common_model.BigValueGraphMode.NONE)
        made.color_mode(common_model.BigValueColorMode.VALUE)
    elif isinstance(made, statetimeline.Panel):
        made.show_value(common_model.VisibilityMode.AUTO).merge_values(True).fill_opacity(80)
    else:
        hidden = {"excludeByName": dict.fromkeys(("Time", "__name__", "job"), True)}
        made.with_transformation(model.DataTransformerConfig(id_val="organize", options=hidden))
