"""Simulated radiographs of containers, trucks, rail cars and air cargo at two energies of a linac.

A scene is drawn as areal densities of materials in layers of depth, a fan beam crosses it, and a detector counts what
is left. No figure of how good a model is on real scans comes from simulated ones.
"""

from cargosight_training.simulation.cargo.container import (
    ContainerSettings,
    SimulatedContainer,
    Truth,
    simulate_container,
)
from cargosight_training.simulation.cargo.families import EMPTY, FAMILIES
from cargosight_training.simulation.cargo.insertion import Builder, Inserted
from cargosight_training.simulation.cargo.scenes import VEHICLES

__all__ = [
    "EMPTY",
    "FAMILIES",
    "VEHICLES",
    "Builder",
    "ContainerSettings",
    "Inserted",
    "SimulatedContainer",
    "Truth",
    "simulate_container",
]
