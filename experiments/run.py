"""Run the experiments: python experiments/run.py [seeds labels ...]; none named: all of them."""

import sys

from helpers import runtime

if __name__ == "__main__":
    runtime.start()
    import fine_tuning

    unknown = [name for name in sys.argv[1:] if name not in fine_tuning.EXPERIMENTS]
    if unknown:
        sys.exit(f"No experiment {unknown}. There are: {', '.join(fine_tuning.EXPERIMENTS)}.")
    fine_tuning.run(sys.argv[1:] or list(fine_tuning.EXPERIMENTS))
