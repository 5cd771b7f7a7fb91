"""Simulated cargo: what lies in containers and on trucks, by the areal density of its materials."""
