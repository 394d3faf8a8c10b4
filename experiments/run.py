"""Run the experiments: python experiments/run.py [seeds labels long_masked ...]; none named: all of them.

With --stamp nothing is run. Stored results that were made by other code than the present one get the present code's
hashes, with the day and the reason why it may stand for that code: `--stamp "functions were renamed, nothing else"`.
"""

import argparse
import sys

from helpers import runtime

NO_HASHES = (
    "computed before hashes were stored; since then functions were renamed, split, made faster and fitted to accelerators: "
    "by reading the changes, none alters what is computed on a CPU"
)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Names of experiments, and the reason for a stamp (None: run them)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="experiments; none: all")
    parser.add_argument(
        "--stamp", metavar="WHY", nargs="?", const="", help="run nothing, say why the code may be another"
    )
    return parser.parse_args(arguments)


def stamp(module, names: list[str], why: str) -> None:
    """Stamp an experiment module's stored results; without a reason only those that never had hashes."""
    import results

    for name in names:
        path = results.EXPERIMENTS / f"{module.PREFIX}{name}.json"
        had = "code" in results.read(path).get("circumstances", {})
        if not path.is_file() or not results.stale(path, module.roots_of(name)):
            continue
        if had and not why:
            sys.exit(f"{path.name} was made by other code. Make it anew, or say why not: --stamp WHY")
        results.stamp(path, module.roots_of(name), why or NO_HASHES)
        print(f"stamped: {path.name}")


def main(arguments: list[str]) -> None:
    """Run, or stamp, what is named."""
    options = parse(arguments)
    runtime.start()
    import explaining
    import fine_tuning
    import mending
    import pretraining_runs

    modules = [fine_tuning, pretraining_runs, explaining, mending]
    known = [name for module in modules for name in module.EXPERIMENTS]
    if unknown := [name for name in options.names if name not in known]:
        sys.exit(f"No experiment {unknown}. There are: {', '.join(known)}.")
    for module in modules:
        names = [name for name in module.EXPERIMENTS if name in (options.names or known)]
        if options.stamp is not None:
            stamp(module, names, options.stamp)
        elif names:
            module.run(names)


if __name__ == "__main__":
    main(sys.argv[1:])
