"""`python -m tools.image`: write the image archive, or its layers as folders for a Dockerfile."""

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
    folders = parser.add_mutually_exclusive_group()
    folders.add_argument("--base-folders", type=Path, metavar="DIR", help="write the layers below perpmaker as folders")
    folders.add_argument("--perpmaker-folder", type=Path, metavar="DIR", help="write perpmaker's own layer as a folder")
    arguments = parser.parse_args()
    try:
        if arguments.base_folders or arguments.perpmaker_folder:
            unpacked(arguments.base_folders or arguments.perpmaker_folder, base=bool(arguments.base_folders))
            return
        image = assemble(arguments.out, arguments.name)
    except ImageError as error:
        sys.exit(str(error))
    print(image.told())


if __name__ == "__main__":
    main()
