"""The analysts' charts: what each draws, and its rows. The dashboard page, Grafana and the console show them."""
