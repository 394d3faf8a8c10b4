"""Points of an experiment: each is made once and stored at once in data/results/NAME.json, so that a stopped run goes on."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from helpers import runtime

sys.path.insert(0, str(runtime.COURSE / "tools"))
import results

PACKAGES = ("spacy",)  # an experiment treats the words with it


def complete(
    name: str,
    configurations: list[dict],
    present: dict,
    make: Callable[[dict], dict],
    folder: Path = results.EXPERIMENTS,
) -> list[dict]:
    """Make the points that are not stored; return all, in the order of `configurations`.

    `present` are `results.circumstances`; on which machine a point was made does not matter. A point that another file
    of the folder holds is taken from there: equal configurations, equal results. Each point says on which day it was
    made and how many minutes it took.
    """
    path = folder / f"{name}.json"
    if stored(path, present, quiet=False):
        present = results.read(path)["circumstances"]  # what was noted then: nothing is claimed of older points
    known = known_points(path, present)
    keys = [key_of(configuration) for configuration in configurations]
    for number, (key, configuration) in enumerate(zip(keys, configurations, strict=True), start=1):
        if key not in known:
            print(f"{name}: point {number} of {len(keys)}: {configuration}", flush=True)
            known[key] = timed(configuration, make)
            write(path, present, [known[key] for key in keys if key in known])
    found = [known[key] for key in keys]
    if stored(path, present) != found:  # all of it came from other files
        write(path, present, found)
    return found


def known_points(path: Path, present: dict) -> dict[str, dict]:
    """Configuration (`key_of`) -> point, of all files beside `path`; its own points win."""
    files = sorted(path.parent.glob("*.json"), key=lambda file: file == path)
    return {key_of(point["configuration"]): point for file in files for point in stored(file, present)}


def key_of(configuration: dict) -> str:
    """A configuration as text: the same for equal ones."""
    return json.dumps(configuration, sort_keys=True)


def timed(configuration: dict, make: Callable[[dict], dict]) -> dict:
    """A point as it is stored: configuration, day, minutes, and what `make` returns."""
    started = time.monotonic()
    result = make(configuration)
    minutes = round((time.monotonic() - started) / 60, 2)
    return {"configuration": configuration, "date": results.today(), "minutes": minutes, **result}


def stored(path: Path, present: dict, quiet: bool = True) -> list[dict]:
    """Points of a file that were made under the present circumstances, on whatever machine."""
    return results.stored(path, present, "points", results.WHATEVER_MACHINE, quiet)


def write(path: Path, present: dict, points: list[dict]) -> None:
    """Write a file of points, whole or not at all."""
    results.write(path, {"circumstances": present, "points": points})
