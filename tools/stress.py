"""Full-size runs of the lessons on a reader's data: python tools/stress.py [NAME ...]; what came of them goes to data/results/own_data.json.

Each set of `own_sets` is made and run as a reader would, with the default backbone: minutes, peak memory, and what the
terminal said at the end. Stored runs of the present code are kept; named ones are made anew.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import own_sets
import results

from helpers import candidates, data, export, predicting, runtime

# Set -> how to make it, and the options that a reader gives.
SETS = {
    "77 classes": (lambda folder: own_sets.many_classes(folder, 1540, 77), []),
    "2 % positives": (lambda folder: own_sets.two_percent(folder, 1000), []),
    "Chinese": (own_sets.chinese, []),
    "2,000-word texts": (lambda folder: own_sets.long_texts(folder, 60), ["--max-length", "512"]),
    "151 uneven classes": (own_sets.uneven_classes, []),
    "a folder, one file a class": (own_sets.one_length, []),
    "60,000 rows": (own_sets.large, []),
}
FILE = results.EXPERIMENTS / "own_data.json"
ROOTS = (data.make_splits, candidates.load_or_choose, export.write_saved_model, predicting.load)


TOGETHER = re.compile(r"together \(GiB: at most\) +(?P<minutes>[\d.]+) +(?P<gib>[\d.]+)")  # the run's own measure


def run(name: str) -> dict:
    """Make a set and run the lessons on it as a reader would; a row of the result file."""
    make, options = SETS[name]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(runtime.COURSE / "tools" / "lessons.py"), "run", *options]
        command += ["--data", str(make(Path(folder)))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line.rstrip())
    measured = TOGETHER.search("\n".join(lines))
    row = {"set": name, "options": options, "exit code": process.returncode}
    row |= {part: float(measured[part]) for part in ("minutes", "gib")} if measured else {"minutes": 0.0, "gib": 0.0}
    said = [line for line in lines if folder not in line and str(runtime.COURSE) not in line]  # no machine's paths
    return row | {"said": said, "date": results.today()}


def main(names: list[str]) -> int:
    """Run the sets that are missing, or those that are named; 0 when all ran to their end."""
    present = results.circumstances({}, ROOTS)
    rows = [row for row in results.stored(FILE, present, "runs") if row["set"] not in names]
    for name in names or [name for name in SETS if name not in [row["set"] for row in rows]]:
        print(f"\n=== {name}", flush=True)
        rows.append(run(name))
        results.write(FILE, {"circumstances": present, "runs": rows})
    for row in rows:
        print(f"{row['set']:28}{row['minutes']:6.1f} min {row['gib']:5.1f} GiB  exit code {row['exit code']}")
    return int(any(row["exit code"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
