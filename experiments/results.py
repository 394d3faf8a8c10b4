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


def circumstances(hashes: dict[str, str]) -> dict:
    """What decides a result besides its configuration: data, versions, Python."""
    versions = {package: runtime.version_of(package) for package in PACKAGES}
    return {"data": hashes, "versions": versions}


def stored(path: Path, hashes: dict[str, str]) -> list[dict]:
    """Points of a result file that were made under the present circumstances; none where they were not."""
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["points"] if content["circumstances"] == circumstances(hashes) else []


def write(path: Path, hashes: dict[str, str], points: list[dict]) -> None:
    """Write a result file whole or not at all."""
    content = {
        "circumstances": circumstances(hashes),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": round(sum(point["minutes"] for point in points), 1),
        "points": points,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def complete(
    name: str, configurations: list[dict], hashes: dict[str, str], make: Callable[[dict], dict], folder: Path = FOLDER
) -> list[dict]:
    """Make the points that are not stored, each stored at once; return all, in the order of `configurations`.

    A point that another file of the folder holds is taken from there: equal configurations, equal results.
    """
    path = folder / f"{name}.json"
    points = [point for file in sorted(folder.glob("*.json")) for point in stored(file, hashes)]
    known = {json.dumps(point["configuration"], sort_keys=True): point for point in points}
    points = []
    for number, configuration in enumerate(configurations, start=1):
        key = json.dumps(configuration, sort_keys=True)
        if key not in known:
            print(f"{name}: point {number} of {len(configurations)}: {configuration}", flush=True)
            started = time.monotonic()
            result = make(configuration)
            minutes = round((time.monotonic() - started) / 60, 2)
            known[key] = {"configuration": configuration, "minutes": minutes, **result}
        points.append(known[key])
        write(path, hashes, points)
    return points
