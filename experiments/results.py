"""Stored results: data/results/NAME.json, a point at a time, so that a stopped run goes on."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from helpers import runtime

FOLDER = runtime.COURSE / "data" / "results"
PACKAGES = ("tensorflow", "keras", "keras-hub", "numpy", "scikit-learn", "spacy")


def circumstances(inputs: dict) -> dict:
    """What decides a result besides its configuration: hashes of the data and the default recipe; versions."""
    return {"inputs": inputs, "versions": {package: runtime.version_of(package) for package in PACKAGES}}


def stored(path: Path, inputs: dict) -> list[dict]:
    """Points of a result file that were made under the present circumstances; none where they were not."""
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["points"] if content["circumstances"] == circumstances(inputs) else []


def write(path: Path, inputs: dict, points: list[dict]) -> None:
    """Write a result file whole or not at all."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    content = {"circumstances": circumstances(inputs), "machine": machine, "points": points}
    with runtime.written_whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def complete(
    name: str, configurations: list[dict], inputs: dict, make: Callable[[dict], dict], folder: Path = FOLDER
) -> list[dict]:
    """Make the points that are not stored, each stored at once; return all, in the order of `configurations`.

    A point that another file of the folder holds is taken from there: equal configurations, equal results. Each point
    says on which day it was made and how many minutes it took.
    """
    path = folder / f"{name}.json"
    points = [point for file in sorted(folder.glob("*.json")) for point in stored(file, inputs)]
    known = {json.dumps(point["configuration"], sort_keys=True): point for point in points}
    keys = [json.dumps(configuration, sort_keys=True) for configuration in configurations]
    for number, (key, configuration) in enumerate(zip(keys, configurations, strict=True), start=1):
        if key not in known:
            print(f"{name}: point {number} of {len(keys)}: {configuration}", flush=True)
            started = time.monotonic()
            result = make(configuration)
            minutes = round((time.monotonic() - started) / 60, 2)
            day = datetime.now(UTC).date().isoformat()
            known[key] = {"configuration": configuration, "date": day, "minutes": minutes, **result}
            write(path, inputs, [known[key] for key in keys if key in known])
    found = [known[key] for key in keys]
    if stored(path, inputs) != found:  # all of it came from other files
        write(path, inputs, found)
    return found
