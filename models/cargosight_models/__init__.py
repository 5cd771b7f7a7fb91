"""Ground floor of cargosight: what every other package may import, free of torch and of OpenCV.

Modules: `errors`, `geometry` (boxes and affine maps), `labels` (class sets, annotations, label masks),
`contract` (what an ONNX file says of itself), `operating_points` (the sidecar of thresholds) and `catalog`
(bundled, cached and named model files). `networks` needs torch and is imported only by training.

The exception tree:

    CargosightError
    ├── UsageError           wrong arguments or options
    ├── ScanError            one file cannot be read as a scan
    ├── ContractError        a model file's contract is missing, newer, or contradicts its graph
    ├── CatalogError         unknown model, wrong SHA-256, broken sidecar binding
    ├── DataSetError         an annotation file or data set is wrong
    ├── ConfigurationError   a YAML or key=value setting is wrong
    ├── ExportError          a graph could not be written or lost parity with its network
    └── MissingExtraError    an optional extra is not installed
"""
