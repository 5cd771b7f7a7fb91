"""The inspection service: scans in from a lane, inspections and decisions out; it advises, a person decides."""
