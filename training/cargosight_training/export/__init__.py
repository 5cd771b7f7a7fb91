"""From a trained network to a model file.

Modules: `folding` (batch norm into convolutions, half-precision rounding), `graph` (the network as an ONNX
graph with decoding inside), `storage` (half-precision weights in the file, atomic writing), `parity` (torch
against ONNX Runtime), `contract` (what the file says of itself), `detector` (all of these in a row),
`quantise` (static int8) and `suppression` (suppression in the graph against suppression on the host).
"""
