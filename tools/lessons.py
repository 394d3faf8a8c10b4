"""Execute the lessons: python tools/lessons.py run [00 06 ...] | outputs [00 ...] | twins

run      copies under artifacts/run/, with progress; a table at the end. Two lessons at a time, each on half of
         the cores (LANES=1: one at a time on all). --parameters '{"epochs": 1}' replaces values in the cells tagged `parameters`; --data mine.csv and --profile full do so, too
outputs  make the committed notebooks from their text twins (notebooks/text/) and execute them
twins    make the text twins from the notebooks, for those who edited a lesson in JupyterLab
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import course
import jupytext
import lanes
import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

from helpers import data, own_file, predicting, runtime

NOTEBOOKS = runtime.COURSE / "notebooks"
TWINS = NOTEBOOKS / "text"
CLAIM, ALSO, OTHERWISE, REPORT = "✓ ", "– so ", "– otherwise", "→ "  # how the lines of `Session` begin
WITH_OWN_DATA = ["01", "05", "06", "09", "11"]  # lessons that run on a reader's file


def lessons(prefixes: list[str]) -> list[Path]:
    """Paths of the text twins whose names begin with one of the prefixes (none: all), in order."""
    paths = sorted(TWINS.glob("[0-9][0-9]_*.py"))
    chosen = [path for path in paths if not prefixes or path.stem.startswith(tuple(prefixes))]
    if not chosen:
        sys.exit(f"No lesson begins with {prefixes}. There are: {', '.join(path.stem for path in paths)}.")
    return chosen


def read_twin(path: Path) -> nbformat.NotebookNode:
    """The notebook that a text twin describes, without outputs; the same twin gives the same notebook."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
    return notebook


def set_parameters(notebook: nbformat.NotebookNode, parameters: dict) -> set[str]:
    """Add assignments to the cell tagged `parameters`, for the names that it already assigns; return all of those."""
    names = set()
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            own = {line.split("=")[0].strip() for line in cell.source.splitlines() if "=" in line}
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items() if name in own)
            names |= own
    return names


def check_parameters(wanted: Iterable[str], paths: list[Path]) -> None:
    """End the program when none of the lessons has a parameter of that name: it would be dropped without a word."""
    known = set().union(*(set_parameters(read_twin(path), {}) for path in paths))
    if unknown := sorted(set(wanted) - known):
        names = ", ".join(path.stem for path in paths)
        sys.exit(f"No parameter {', '.join(unknown)} in {names}. There are: {', '.join(sorted(known))}.")


class Progress:
    """How far a lesson is: in a terminal a bar, one line for each lane; in a log file a line a minute."""

    def __init__(self, name: str, cells: int, lane: int = 0):
        self.name, self.cells, self.number = name, cells, 0
        self.started = self.told = time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            form = "{desc} {bar:20} {n}/{total} cells {elapsed}"
            self.bar = tqdm(total=cells, desc=f"{name:24}", bar_format=form, position=lane, leave=False)
        else:
            print(f"{name}: begins", flush=True)

    def update(self) -> None:
        """One more cell has run."""
        self.number += 1
        if self.bar is not None:
            self.bar.update()
        elif time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            minutes = (self.told - self.started) / 60
            print(f"{self.name}: {self.number} of {self.cells} cells, {minutes:.1f} min", flush=True)

    def end(self, result: str) -> None:
        """Say how it ended, in a line that stays."""
        if self.bar is not None:
            self.bar.close()
        tqdm.write(f"{self.name}: {result}, {(time.monotonic() - self.started) / 60:.1f} min")
        sys.stdout.flush()


def client_for(notebook: nbformat.NotebookNode) -> NotebookClient:
    """What runs a notebook's cells in a fresh kernel, in the folder of the lessons."""
    # With this variable set, ipykernel leaves the log lines of TensorFlow's C++ core out of the outputs;
    # nbval sets it too, through pytest.
    os.environ["PYTEST_CURRENT_TEST"] = "lessons"
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    return NotebookClient(notebook, timeout=1800, record_timing=False, resources=resources)


def execute(client: NotebookClient, name: str, lane: int = 0) -> None:
    """Run all cells and show how far it is; raises CellExecutionError at the first cell that fails."""
    progress = Progress(name, sum(cell.cell_type == "code" for cell in client.nb.cells), lane)
    client.on_cell_executed = lambda **_: progress.update()
    result = "FAILED"
    try:
        # The log lines of TensorFlow's C++ core would break the bar; errors of a cell come another way.
        client.execute(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result = "ok"
    finally:
        progress.end(result)


def as_shown(notebook: nbformat.NotebookNode) -> None:
    """Keep of each printed text what a screen would show at the end (progress bars once), of each error its last line."""
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            if merged and output.output_type == "stream" and merged[-1].get("name") == output.name:
                merged[-1].text += output.text
            else:
                merged.append(output)
        for output in merged:
            if output.output_type == "stream":
                lines = output.text.replace("\r\n", "\n").split("\n")
                output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)
            elif output.output_type == "error":  # the way through the libraries names folders of this machine
                output.traceback = [f"{output.ename}: {output.evalue}"]
        if cell.cell_type == "code":
            cell.outputs = merged


def printed_in(notebook: nbformat.NotebookNode) -> list[str]:
    """The lines that a lesson printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs if output.output_type == "stream").splitlines()


def claims_in(notebook: nbformat.NotebookNode) -> int:
    """Number of claims that the lesson checked and printed."""
    return sum(line.startswith((CLAIM, ALSO, OTHERWISE)) for line in printed_in(notebook))


def notes_in(notebook: nbformat.NotebookNode) -> list[str]:
    """What a lesson reports of data and model, and what it found to be otherwise with a reader's data."""
    return [line for line in printed_in(notebook) if line.startswith((REPORT, OTHERWISE))]


def check_own_data(**options: str | None) -> str | dict:
    """What lessons take as `source` for a reader's data; ends the program with the reason when they cannot be used.

    `options`: fields of `own_file.Source`. Before any lesson starts: the remedy should not hide in the traceback of a cell.
    Says how the data were understood and how they were split.
    """
    options = {name: value for name, value in options.items() if value}
    try:
        source = own_file.as_source(options)
        splits, names = data.split_own_file(own_file.read(source))
    except (FileNotFoundError, own_file.DataError) as error:
        sys.exit(str(error))
    sizes = ", ".join(f"{len(part):,} {side}" for side, part in splits.items())
    print(f"{len(names)} classes; {sizes}.", flush=True)
    options |= {name: str(Path(options[name]).resolve()) for name in FILES if name in options}
    return options if len(options) > 1 else options["file"]


FILES = ("file", "validation", "test")  # options that are paths, which count from where the reader is


def memory_of(process: int | None) -> float:
    """GiB that a process and all that it has started hold now (memory that they share counts each time); None: 0.0."""
    total = 0
    with suppress(psutil.Error):  # it has ended meanwhile
        family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)] if process else []
        for member in family:
            with suppress(psutil.Error):
                total += member.memory_info().rss
    return total / 2**30


def kernel_of(client: NotebookClient) -> int | None:
    """The process of a client's kernel; None before it starts and after it ends."""
    return getattr(getattr(client.km, "provisioner", None), "pid", None)


class PeakMemory:
    """A with-block; `gib` is the most that `memory_of` the process was in it, looked up five times a second."""

    def __init__(self, process: Callable[[], int | None]):
        self.process = process

    def __enter__(self):
        self.gib, self.ended = 0.0, threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def watch(self) -> None:
        """Look until the block ends."""
        while not self.ended.wait(0.2):
            self.gib = max(self.gib, memory_of(self.process()))

    def __exit__(self, *_):
        self.ended.set()
        self.watcher.join()


@dataclass
class Row:
    """A line of the closing table; `gib`: peak memory of the kernel and what it starts."""

    lesson: str
    minutes: float
    gib: float
    claims: int
    result: str
    notes: tuple[str, ...] = ()


def jobs_of(paths: list[Path], work: Callable[[Path, int], bool]) -> list[lanes.Job]:
    """A job for each lesson, after the lessons that make what it loads."""
    names = {path.stem[:2]: path.stem for path in paths}
    return [
        course.job_of(number, names, functools.partial(work, path)) for path, number in zip(paths, names, strict=True)
    ]


def run_copy(path: Path, parameters: dict, folder: Path, lane: int = 0) -> Row:
    """Execute a copy of one lesson and write it, whatever came of it, into a folder."""
    notebook = read_twin(path)
    set_parameters(notebook, parameters)
    client, started, result = client_for(notebook), time.monotonic(), "ok"
    try:
        with PeakMemory(lambda: kernel_of(client)) as peak:
            execute(client, path.stem, lane)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        result = "FAILED"
        tqdm.write(f"\n{path.stem} stopped:\n{str(error)[-3000:]}")
        if isinstance(error, DeadKernelError):
            tqdm.write("Most often the memory was too small: the README's table says what each lesson takes.")
    finally:
        nbformat.write(notebook, folder / f"{path.stem}.ipynb")
    minutes = (time.monotonic() - started) / 60
    return Row(path.stem, minutes, peak.gib, claims_in(notebook), result, tuple(notes_in(notebook)))


def run(paths: list[Path], parameters: dict) -> int:
    """Execute copies; print the table, the scores and where the export lies; return the exit code."""
    folder = runtime.artifacts_folder() / "run"
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}

    def work(path: Path, lane: int) -> bool:
        """Run one lesson and keep its row."""
        rows[path.stem] = run_copy(path, parameters, folder, lane)
        return rows[path.stem].result == "ok"

    started = time.monotonic()
    with PeakMemory(os.getpid) as peak:
        done = lanes.run(jobs_of(paths, work))
    rows = [rows.get(name, Row(name, 0.0, 0.0, 0, what.result)) for name, what in done.items()]
    print_table(rows, (time.monotonic() - started) / 60, peak.gib)
    if not parameters:  # tools/readme.py reads it
        keep_measured(rows, folder / "measured.json")
    print(f"Executed copies: {folder}")
    return int(any(row.result != "ok" for row in rows))


def keep_measured(rows: list[Row], path: Path) -> None:
    """Write minutes and memory of the lessons that ran to their end."""
    good = [row for row in rows if row.result == "ok"]
    measured = {row.lesson: {"minutes": round(row.minutes, 2), "gib": round(row.gib, 1)} for row in good}
    path.write_text(json.dumps(measured), encoding="utf-8")


def print_table(rows: list[Row], minutes: float, gib: float) -> None:
    """The lessons' table, what they reported, the scores of lesson 06, and how to use what lesson 11 exported.

    `minutes` and `gib`: of the whole run, in which lessons stood side by side.
    """
    print(f"\n{'lesson':26}{'minutes':>8}{'GiB':>6}{'claims checked':>16}  result")
    for row in rows:
        print(f"{row.lesson:26}{row.minutes:8.1f}{row.gib:6.1f}{row.claims:16d}  {row.result}")
    print(f"{'together (GiB: at most)':26}{minutes:8.1f}{gib:6.1f}{sum(row.claims for row in rows):16d}")
    notes = [(row.lesson[:2], note) for row in rows for note in row.notes]
    for number, note in sorted(notes, key=lambda each: each[1].startswith(OTHERWISE)):  # first what is reported
        print(f"{number}: {note}")
    # Only what this run made: older scores or exports must not pass for its own.
    done = {row.lesson[:2] for row in rows if row.result == "ok"}
    if "06" in done:
        print(f"\n{(runtime.artifacts_folder() / 'scores.txt').read_text(encoding='utf-8')}")
    exported = [note for row in rows if row.lesson.startswith("11") for note in row.notes if note.startswith(MODEL)]
    if "11" in done and exported:  # without TensorFlow, lesson 11 may export nothing
        folder = predicting.latest().resolve()
        served = "a bag of words, which no model server knows; `make serve` is planned."
        if not (folder / "bag_of_words").is_dir():
            served = f"{folder}/saved_model (TensorFlow) or onnx (onnxruntime); `make serve` is planned."
        print(HOW_TO_USE.format(folder=folder, served=served))


MODEL = f"{REPORT}The model"  # how lesson 11 begins the line that says where it lies
HOW_TO_USE = """The model and its card: {folder}
In Python:   from helpers import predicting; print(predicting.load().label(["a text"]))
For a file:  make predict DATA=new.csv
As a server: {served}"""


def write_executed(path: Path, lane: int = 0) -> bool:
    """Execute a lesson from its twin and rewrite its committed notebook; leave that alone when a cell fails."""
    notebook = read_twin(path)
    execute(client_for(notebook), path.stem, lane)
    as_shown(notebook)
    notebook.metadata["language_info"] = {"name": "python"}  # the version would differ from machine to machine
    with runtime.written_whole(NOTEBOOKS / f"{path.stem}.ipynb") as unfinished:
        nbformat.write(notebook, unfinished)
    return True


def outputs(paths: list[Path]) -> int:
    """Rewrite the committed notebooks from their twins, executed; return the exit code."""
    done = lanes.run(jobs_of(paths, write_executed))
    for name, what in done.items():
        print(f"{name:26}{what.minutes:6.1f} min  {what.result}")
    return int(any(what.result != "ok" for what in done.values()))


def twins() -> int:
    """Write each committed notebook's cells into its text twin."""
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        notebook.metadata = {}
        jupytext.write(notebook, TWINS / f"{path.stem}.py", fmt="py:percent")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, do what it says, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "outputs", "twins"])
    parser.add_argument("lesson", nargs="*", help="first characters of the lessons' names; none: all lessons")
    parser.add_argument("--parameters", type=json.loads, default={}, help="JSON of values for the parameters cells")
    parser.add_argument("--data", help="your own file or folder (run only); the next five belong to it")
    parser.add_argument("--text", help="its column of texts, or several with commas between")
    parser.add_argument("--label", help="its column of labels")
    parser.add_argument("--validation", help="a file of the same form to choose with")
    parser.add_argument("--test", help="a file of the same form to judge with")
    parser.add_argument("--rare", choices=own_file.RARE, help="what to do with classes of fewer than 10 rows")
    parser.add_argument(
        "--backbone", help="a KerasHub preset, a folder or hf://owner/name instead of the profile's BERT"
    )
    parser.add_argument("--max-length", type=int, help="tokens read of a text instead of 128; what is beyond is cut")
    parser.add_argument("--profile", choices=list(runtime.PROFILES), help="what to run with (run only)")
    options = parser.parse_args(arguments)
    if options.command == "twins":
        return twins()
    if options.command == "outputs":
        return outputs(lessons(options.lesson))
    if not isinstance(options.parameters, dict):
        parser.error("--parameters wants names and values: '{\"epochs\": 1}'")
    check_parameters(options.parameters, lessons([]))  # of any lesson: each takes those that it has
    named = {name: getattr(options, name) for name in ("profile", "backbone", "max_length")}
    if options.backbone == "" or options.max_length == 0:
        parser.error("--backbone and --max-length want a value")
    named = {name: value for name, value in (("source", options.data), *named.items()) if value}
    if options.backbone and Path(options.backbone).is_dir():  # the lessons run in a folder of their own
        named["backbone"] = str(Path(options.backbone).resolve())
    own = {name: getattr(options, name) for name in ("text", "label", "validation", "test", "rare")}
    if options.data == "" or (options.data is None and any(own.values())):
        parser.error(
            "--text, --label, --validation, --test and --rare belong to --data, and that needs a file or folder"
        )
    chosen = lessons(options.lesson or (WITH_OWN_DATA if named else []))
    check_parameters(named, chosen)
    if options.data:
        named["source"] = check_own_data(file=options.data, **own)
    if options.profile == "full":  # in a process of its own, which leaves the accelerator to the lessons
        subprocess.run(
            [sys.executable, "-c", "from helpers import runtime; runtime.start(profile='full')"], check=False
        )
    return run(chosen, options.parameters | named)


if __name__ == "__main__":
    sys.exit(main())
