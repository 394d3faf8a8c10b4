"""What a GPU makes of the course, and of BERT-base beside Transformers with PyTorch: see benchmarks/GPU.md.

python benchmarks/gpu.py [bert transformers lessons tests] [--tiny] [--weights FOLDER] [--output FILE]
python benchmarks/gpu.py --pack FOLDER    what to take to a machine without a network, at most 64 MiB

Each part runs in a process of its own (JAX and PyTorch would each take most of the memory); one that lacks a package,
fails or runs out of time becomes a word in the JSON file, which is rewritten after each part. Needs no TensorFlow.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
from datetime import UTC, datetime
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(COURSE), str(COURSE / "tools")]
os.environ.setdefault("KERAS_BACKEND", "jax")

# Layers, width, heads, feed-forward width: BERT-base as published, and one that a CPU trains in a second.
SHAPES = {"full": (12, 768, 12, 3072), "tiny": (2, 32, 2, 64)}
VOCABULARY = 30_522
# Length -> texts a batch: as many tokens at both lengths.
BATCHES = {"full": {128: 256, 512: 64}, "tiny": {16: 4, 64: 2}}
STEPS = {"full": 30, "tiny": 3}
MATRIX = {"full": 8192, "tiny": 256}  # rows and columns
LESSONS = ["05_fine_tuning", "06_evaluation"]
TESTS = [
    "runtime",
    "optimizers",
    "finetuning",
    "evaluation",
    "pretraining",
]  # those that need neither TensorFlow nor the checked weights
HELPERS = ["pandas", "scipy", "tqdm", "regex", "filelock", "psutil"]  # what the course's helpers import
NEEDS = {
    "bert": ["jax", "keras", "keras_hub", "optree", *HELPERS],
    "transformers": ["torch", "transformers"],
    "lessons": ["jax", "keras", "keras_hub", "optree", *HELPERS, "sklearn", "matplotlib", "tokenizers", "safetensors", "ftfy"],
    "tests": ["jax", "keras", "keras_hub", "optree", *HELPERS, "pytest", "sklearn"],
}  # fmt: skip
MINUTES = {"bert": 4, "transformers": 4, "lessons": 8, "tests": 9}  # at most; a CPU, with --tiny, gets thrice as many
CARRIED = ["keras", "keras-hub", "optree", "ftfy", "wcwidth", "filelock", "psutil"]
CARRIED_BYTES = 64 * 2**20


def training_flops(length: int, layers: int, width: int, heads: int, feed_forward: int) -> float:
    """`architecture.training_operations` of one text; the number of heads changes nothing."""
    from helpers import architecture

    return float(architecture.training_operations(layers, width, feed_forward, length))


def seconds_a_step(run, steps: int) -> float:
    """Mean seconds of a step, the best of three rounds after one to warm up; `run(steps)` returns when all is done."""
    run(steps)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run(steps)
        times.append((time.perf_counter() - started) / steps)
    return min(times)


def rates(size: str, length: int, seconds: float) -> dict:
    """What a length's row says: texts a batch, seconds a step, sequences and matrix operations a second."""
    texts = BATCHES[size][length]
    operations = texts * training_flops(length, *SHAPES[size]) / seconds
    return {"batch": texts, "seconds_a_step": seconds, "sequences_a_second": texts / seconds, "flops": operations}


# ---- parts, each in its own process


def matrix_flops(size: str) -> float:
    """Operations a second of a large bfloat16 matrix product in JAX."""
    import jax

    side = MATRIX[size]
    a = jax.random.normal(jax.random.key(0), (side, side), "bfloat16")
    product = jax.jit(lambda x, y: x @ y)

    def multiply(steps):
        for _ in range(steps):
            result = product(a, a)
        result.block_until_ready()

    return 2.0 * side**3 / seconds_a_step(multiply, STEPS[size])


def keras_bert(size: str, steps_per_execution: int):
    """A Keras classifier with random weights on BERT's architecture, compiled as `finetuning.fine_tune` compiles it."""
    import keras
    import keras_hub

    from helpers import finetuning, models, optimizers

    layers, width, heads, feed_forward = SHAPES[size]
    backbone = keras_hub.models.BertBackbone(
        VOCABULARY, layers, heads, width, feed_forward, dropout=0.1, max_sequence_length=512
    )
    classifier = models.add_head(backbone, tokenizer=None, num_classes=2)
    optimizer = optimizers.make_optimizer(finetuning.Recipe(), 1000, classifier.model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.model.compile(optimizer, loss, steps_per_execution=steps_per_execution)
    return classifier


def same_batch(texts: int, length: int, steps: int):
    """A Keras data set of one batch, `steps` times: random ids, no padding."""
    import keras
    import numpy as np

    from helpers import models

    ids = np.random.default_rng(0).integers(1000, VOCABULARY, size=(texts, length), dtype="int32")
    batch = models.inputs_of(ids, np.ones_like(ids)), np.arange(texts, dtype="int32") % 2

    class SameBatch(keras.utils.PyDataset):
        """What Keras's `fit` reads."""

        def __len__(self):
            return steps

        def __getitem__(self, index):
            return batch

    return SameBatch()


def bert(size: str, weights: str | None) -> dict:
    """BERT-base in Keras on JAX by the course's own code: mixed_bfloat16, AdamW, dropout, clipping."""
    from helpers import models, runtime

    os.environ["COURSE_DTYPE_POLICY"] = "mixed_bfloat16"
    device = runtime.start().device
    result = {"device": f"{device.count} x {device.name}", "matrix_flops": matrix_flops(size)}
    classifier = keras_bert(size, device.steps_per_execution)
    result |= {
        "policy": classifier.backbone.dtype_policy.name,
        "parameters": models.parameter_count(classifier.backbone),
    }
    for length, texts in BATCHES[size].items():

        def train(steps, length=length, texts=texts):
            classifier.model.fit(same_batch(texts, length, steps), shuffle=False, verbose=0)

        result[str(length)] = rates(size, length, seconds_a_step(train, STEPS[size]))
    return result


def transformers(size: str, weights: str | None) -> dict:
    """The same model, batch, precision, optimizer and clipping in Transformers, compiled by torch.compile."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    device = "cuda" if torch.cuda.is_available() else "cpu"
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    torch.set_float32_matmul_precision("high")
    a = torch.randn(MATRIX[size], MATRIX[size], device=device, dtype=torch.bfloat16)

    def multiply(steps):
        for _ in range(steps):
            a @ a
        wait()

    result = {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}
    result["matrix_flops"] = 2.0 * MATRIX[size] ** 3 / seconds_a_step(multiply, STEPS[size])
    layers, width, heads, feed_forward = SHAPES[size]
    shape = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
    shape |= {"intermediate_size": feed_forward, "vocab_size": VOCABULARY, "max_position_embeddings": 512}
    config = BertConfig(**shape, num_labels=2)  # its dropout is 0.1, too
    model = BertForSequenceClassification(config).to(device).train()
    result["parameters"] = sum(p.numel() for p in model.bert.parameters())
    compiled = torch.compile(model, dynamic=False)  # each length is compiled by itself, as XLA does
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=device == "cuda")
    for length, texts in BATCHES[size].items():
        ids = torch.randint(1000, VOCABULARY, (texts, length), device=device)
        inputs = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}
        inputs["labels"] = torch.arange(texts, device=device) % 2

        def train(steps, inputs=inputs):
            for _ in range(steps):
                with torch.autocast(device, dtype=torch.bfloat16):
                    loss = compiled(**inputs).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            wait()

        result[str(length)] = rates(size, length, seconds_a_step(train, STEPS[size]))
    return result


def code_cells(twin: str) -> list[tuple[str, bool]]:
    """Code of each cell of a text twin, and whether it is the parameters cell: read here, since Jupyter may be missing."""
    cells = re.split(r"^# %%", twin, flags=re.M)[1:]
    heads_and_bodies = [cell.split("\n", 1) for cell in cells]
    return [(body, "parameters" in head) for head, body in heads_and_bodies if "[markdown]" not in head]


def without_jupyter() -> None:
    """Where IPython is missing, figures are drawn and not shown."""
    if importlib.util.find_spec("IPython") is None:
        display = types.ModuleType("IPython.display")
        display.Image, display.display = (lambda data: data), (lambda *things, **facts: None)
        sys.modules["IPython"], sys.modules["IPython.display"] = types.ModuleType("IPython"), display


def run_lesson(name: str, parameters: dict) -> dict:
    """Execute a lesson's cells one after the other: claims that held, seconds; an error says which cell stopped."""
    namespace, printed, started = {"__name__": "__main__"}, io.StringIO(), time.perf_counter()
    twin = (COURSE / "notebooks" / "text" / f"{name}.py").read_text(encoding="utf-8")
    for number, (source, is_parameters) in enumerate(code_cells(twin)):
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(source, f"{name}, code cell {number}", "exec"), namespace)
        except Exception as error:
            raise RuntimeError(f"{name}, code cell {number}: {type(error).__name__}: {error}") from error
        if is_parameters:
            namespace.update({key: value for key, value in parameters.items() if key in namespace})
    claims = sum(line.startswith("✓ ") for line in printed.getvalue().splitlines())
    return {"claims": claims, "seconds": time.perf_counter() - started}


def lessons(size: str, weights: str | None) -> dict:
    """Lessons 05 and 06 by their claims, in one process; `weights`: a folder to take for the checked ones."""
    import course as commands
    import matplotlib

    from helpers import models, runtime

    matplotlib.use("Agg")
    without_jupyter()
    if weights:
        models.minilm_folder = lambda: Path(weights)
    parameters = json.loads(commands.SMALL) if size == "tiny" else {}
    result = {"weights": "packed in float16" if weights else "as published, checked"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_ARTIFACTS"] = folder
        result |= {name: run_lesson(name, parameters) for name in LESSONS}
    return result | {"device": str(runtime.find_device(os.environ["KERAS_BACKEND"]))}


def tests(size: str, weights: str | None) -> dict:
    """The unit tests that need no TensorFlow. They compare digits: float32, and no matrix products in TF32."""
    files = [f"tests/test_{name}.py" for name in (TESTS[:1] if size == "tiny" else TESTS)]
    marks = "not tensorflow and not repository and not once"
    variables = {**os.environ, "COURSE_DTYPE_POLICY": "float32", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # some tests start processes of their own
    command = [sys.executable, "-m", "pytest", "-m", marks, "-p", "no:cacheprovider", *files]
    command += [
        "--deselect",
        "tests/test_finetuning.py::test_padding_does_not_change_the_answer",
    ]  # needs the checked weights
    done = subprocess.run(command, cwd=COURSE, env=variables, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    counts = {
        what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|errors?)", lines[-1] if lines else "")
    }
    return {"exit_code": done.returncode, **counts, "failed_tests": failed, "end": lines[-15:]}


PARTS = {part.__name__: part for part in (bert, transformers, lessons, tests)}


# ---- all of them


def run_part(name: str, options: argparse.Namespace) -> dict:
    """A part's result from its own process; where there is none, a word says why."""
    missing = [module for module in NEEDS[name] if importlib.util.find_spec(module) is None]
    if missing:
        return {"left_out": f"not installed: {', '.join(missing)}"}
    command = [sys.executable, __file__, name, "--in-this-process"] + ["--tiny"] * options.tiny
    command += ["--weights", options.weights] * bool(options.weights)
    minutes, started = MINUTES[name] * (3 if options.tiny else 1), time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {minutes} minutes"}
    if done.returncode or "RESULT" not in done.stdout:
        return {"failed": done.stderr.strip().splitlines()[-5:], "exit_code": done.returncode}
    return json.loads(done.stdout.rsplit("RESULT", 1)[1]) | {"minutes": (time.perf_counter() - started) / 60}


def with_shares(results: dict) -> dict:
    """The results, each row with its share of the matrix rate: of the higher that either library measured."""
    measured = [part["matrix_flops"] for part in results.values() if "matrix_flops" in part]
    for part in results.values():
        for row in part.values():
            if isinstance(row, dict) and "flops" in row:
                row["share_of_matrix_rate"] = row["flops"] / max(measured)
    return results


def pack(folder: Path) -> int:
    """Wheels (`CARRIED`, for Python 3.12 on x86-64 Linux) and the default weights in float16; ends with the size."""
    from safetensors.numpy import load_file, save_file

    from helpers import models, runtime

    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "-d",
        str(folder),
    ]
    command += ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"]
    subprocess.run([*command, *(f"{name}=={runtime.version_of(name)}" for name in CARRIED)], check=True)
    weights = folder / models.MINILM
    weights.mkdir(exist_ok=True)
    for name in models.FILE_HASHES:
        if not name.endswith(".safetensors"):
            shutil.copy(models.minilm_folder() / name, weights)
    arrays = load_file(models.minilm_folder() / "model.safetensors")
    halved = {name: a.astype("float16") if a.dtype == "float32" else a for name, a in arrays.items()}
    save_file(halved, weights / "model.safetensors", metadata={"format": "pt"})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 2**20:.1f} MiB")
    if size > CARRIED_BYTES:
        sys.exit("That is more than 64 MiB. Is something else in the folder? Take an empty one.")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the parts, print and write what they found; 0 when none failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; none: all of them")
    parser.add_argument("--tiny", action="store_true", help="small shapes, few steps: proves on a CPU that it works")
    parser.add_argument("--weights", help="a folder to take for the default weights, as --pack makes it")
    parser.add_argument("--output", type=Path, help="default: benchmarks/gpu.json; with --tiny artifacts/gpu-tiny.json")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="make what to carry, and stop")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.pack:
        return pack(options.pack)
    size = "tiny" if options.tiny else "full"
    if options.in_this_process:
        print("RESULT" + json.dumps(PARTS[options.part[0]](size, options.weights)))
        return 0
    output = options.output or COURSE / ("artifacts/gpu-tiny.json" if options.tiny else "benchmarks/gpu.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    facts = {"date": datetime.now(UTC).date().isoformat(), "size": size, "python": sys.version.split()[0]}
    facts["versions"] = versions()
    results = {}
    for name in options.part or PARTS:
        results[name] = run_part(name, options)
        print(f"{name}: {json.dumps(results[name], indent=1)}", flush=True)
        text = json.dumps({**facts, "parts": with_shares(results)}, indent=1, ensure_ascii=False)
        output.write_text(text + "\n", encoding="utf-8")
    print(f"Written: {output}")
    return int(any(part.get("failed") or part.get("exit_code") for part in results.values()))


def versions() -> dict[str, str | None]:
    """Versions of what the figures depend on."""
    from helpers import runtime

    return {name: runtime.version_of(name) for name in ("jax", "keras", "keras-hub", "torch", "transformers")}


if __name__ == "__main__":
    sys.exit(main())
