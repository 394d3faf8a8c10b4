"""Run the experiments: python experiments/run.py [seeds labels long_masked ...]; none named: all of them."""

import sys

from helpers import runtime

if __name__ == "__main__":
    runtime.start()
    import fine_tuning
    import pretraining_runs

    modules = [fine_tuning, pretraining_runs]
    known = [name for module in modules for name in module.EXPERIMENTS]
    if unknown := [name for name in sys.argv[1:] if name not in known]:
        sys.exit(f"No experiment {unknown}. There are: {', '.join(known)}.")
    for module in modules:
        if names := [name for name in module.EXPERIMENTS if name in (sys.argv[1:] or known)]:
            module.run(names)
