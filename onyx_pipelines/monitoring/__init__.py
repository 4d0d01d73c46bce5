"""Monitoring as code: what is scraped, what is recorded, what alerts, what is drawn, and the proof.

Everything is typed Python that is rendered into `deploy/monitoring/`; Prometheus' own programs and
the recorded metrics of real exporters judge what comes out.
"""
