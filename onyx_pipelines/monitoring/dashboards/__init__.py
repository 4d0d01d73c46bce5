"""Grafana's five dashboards (AC9.1.2), one module each."""
