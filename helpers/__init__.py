"""The tested code behind the lessons: each module has one subject, imported by name (`from helpers import data`).

Importing the package imports nothing heavy; each module imports what it needs. It does choose the
backend, since that must be settled before the first import of Keras, whichever helper comes first.
"""

from pathlib import Path

if not (Path(__file__).resolve().parents[1] / "data" / "raw").is_dir():
    raise ImportError(
        "The course runs from its own folder, with data/ beside helpers/; this copy of helpers stands alone "
        f"in {Path(__file__).parent}. Remove it (`pip uninstall bert-from-text-to-product`), then "
        "`git clone` the course and run `make setup` in its folder."
    )

from helpers import runtime

runtime.settle_backend()
