"""What capture costs and what it loses, beside the SDKs a team would otherwise pick; `make bench-capture`."""
