"""Turn the source file of the reviews (JSON lines) into data/reviews.csv: python tools/reviews_to_csv.py FILE"""

import sys
from pathlib import Path

import pandas as pd

TARGET = Path(__file__).resolve().parents[1] / "data" / "reviews.csv"

frame = pd.read_json(sys.argv[1], lines=True)
frame.insert(0, "review_id", range(1, len(frame) + 1))
frame.to_csv(TARGET, index=False, encoding="utf-8", lineterminator="\n")
print(f"{TARGET.name}: {len(frame)} rows")
