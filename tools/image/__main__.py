"""`python -m tools.image`: write the image archive, or only its folders for a Dockerfile."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.image.assemble import DEFAULT_NAME, assemble, unpacked
from tools.image.contents import ImageError


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("--name", default=DEFAULT_NAME, help="REPOSITORY:TAG in the archive (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("dist/perpmaker-image.tar"), help="the archive (%(default)s)")
    parser.add_argument("--folders", type=Path, metavar="DIR", help="write the layers as folders there instead")
    arguments = parser.parse_args()
    try:
        if arguments.folders:
            unpacked(arguments.folders)
            return
        image = assemble(arguments.out, arguments.name)
    except ImageError as error:
        sys.exit(str(error))
    print(image.told())


if __name__ == "__main__":
    main()
