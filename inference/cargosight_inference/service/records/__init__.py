"""What the service records: scans, inspections, decisions, accounts, events and the audit chain."""
