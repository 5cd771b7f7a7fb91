"""`python -m cargosight_inference` is the command `cargosight`."""

import sys

from cargosight_inference.cli import main

sys.exit(main())
