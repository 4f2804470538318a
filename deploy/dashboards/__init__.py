"""The analysts' basic dashboards: one list of charts, for a page of its own, for Grafana and for Looker Studio."""
