"""Stored results of experiments and benchmarks: JSON files, written whole, with the circumstances that decide them.

A file holds rows that were all made under the same circumstances:

- `inputs`: hashes of the data, sizes, default recipes;
- `versions`: of Python and packages;
- `code`: dotted name -> hash of each function and constant of the course that the rows come from (`code_hash`);
- `machine`: the kind of machine.

Nothing here needs TensorFlow.
"""

import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import code_hash

from helpers import runtime

EXPERIMENTS = runtime.COURSE / "data" / "results"
ALL = ("inputs", "versions", "code", "machine")
WHATEVER_MACHINE = ("inputs", "versions", "code")  # what decides an accuracy; seconds also hang on the machine


# ---- under what circumstances


def processor() -> tuple[str, bool]:
    """The processor's name, and whether it computes in bfloat16; ("unknown", False) where Linux does not say."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    name = re.search(r"^model name\s*: (.*)$", text, flags=re.M)
    return name[1].strip() if name else platform.processor() or "unknown", bool(re.search(r"\b\w+_bf16\b", text))


def machine() -> dict:
    """The kind of machine: system, cores, processor, whether it has bfloat16."""
    name, bfloat16 = processor()
    system = f"{platform.system()} {platform.machine()}"
    return {"system": system, "cores": os.cpu_count(), "processor": name, "bfloat16": bfloat16}


def circumstances(inputs: dict, roots: Iterable[str | Callable], packages: Sequence[str] = ()) -> dict:
    """What decides a result besides its configuration.

    `roots`: the functions that make it (`code_hash.code_of`); `packages`: those that matter besides the course's own
    list, `runtime.KEY_PACKAGES`.
    """
    versions = {package: runtime.version_of(package) for package in (*runtime.KEY_PACKAGES, *packages)}
    versions = {"python": platform.python_version(), **versions}
    return {"inputs": inputs, "versions": versions, "code": code_hash.code_of(roots), "machine": machine()}


def differences(stored: dict, present: dict, parts: Sequence[str] = ALL) -> list[str]:
    """Names of what differs between two circumstances, as "versions: keras".

    A version that was not stored cannot be compared, so it is no difference. Python itself makes none: the packages'
    versions say what it changes.
    """
    found = []
    for part in parts:
        old, new = stored.get(part, {}), present.get(part, {})
        names = old.keys() if part == "versions" else old.keys() | new.keys()
        found += [f"{part}: {name}" for name in sorted(names) if name != "python" and old.get(name) != new.get(name)]
    return found


# ---- files


def read(path: Path) -> dict:
    """What a result file holds; {} where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write(path: Path, content: dict) -> None:
    """Write a result file whole or not at all."""
    with runtime.written_whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored(path: Path, present: dict, rows: str, parts: Sequence[str] = ALL, quiet: bool = False) -> list[dict]:
    """Rows of a file that were made under the present circumstances; else none, and, unless `quiet`, a line that says why.

    `rows` is what the file calls them ("points", "rounds").
    """
    content = read(path)
    changed = differences(content["circumstances"], present, parts) if content else []
    if changed and not quiet:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        print(f"{path.name}: made under other circumstances ({shown}), so all of it is made anew.")
    return [] if changed else content.get(rows, [])


def today() -> str:
    """The day, as rows note it: 2026-01-31."""
    return datetime.now(UTC).date().isoformat()


# ---- code that has changed since


def stale(path: Path, roots: Iterable[str | Callable]) -> list[str]:
    """What of the code that made a file is another one now, as "code: helpers.finetuning.pad"; [] if none is."""
    present = {"code": code_hash.code_of(roots)}
    return differences(read(path).get("circumstances", {}), present, ["code"])


def stamp(path: Path, roots: Iterable[str | Callable], why: str) -> bool:
    """Note the present code as that of a file, with the day and why it may stand for the code that was run.

    False where the file is of the present code anyway: then nothing is written.
    """
    if not stale(path, roots):
        return False
    content = read(path)
    content["circumstances"]["code"] = code_hash.code_of(roots)
    content["stamped"] = [*content.get("stamped", []), {"date": today(), "why": why}]
    write(path, content)
    return True
