"""Grafana's dashboards, written in Python: `make dashboards` writes deploy/grafana/dashboards."""
