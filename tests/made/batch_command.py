"""`cargosight batch` in a process of its own, with workers that files can end."""

import argparse
import sys

from cargosight_inference.batch import local
from cargosight_inference.commands import batch
from cargosight_models.errors import CargosightError
from tests.made.batches import POISONED


def main() -> int:
    parser = argparse.ArgumentParser()
    batch.add_arguments(parser)
    local.LocalEngine.__init__.__kwdefaults__["command"] = POISONED
    try:
        return batch.run(parser.parse_args())
    except CargosightError as error:
        sys.stderr.write(f"cargosight: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
