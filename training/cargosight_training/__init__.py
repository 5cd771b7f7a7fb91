"""Training: data sets, simulation, augmentation, the trainer, evaluation, export.

Nothing is imported here: simulation and evaluation run on the base install, the rest needs the extra `train`.
"""
