"""Hash the code that makes a result: a function, what it calls within the course, and the constants that these read.

A docstring, a comment, a type hint or a function that is not called changes nothing. The files are read, never imported,
so no TensorFlow is needed, and the hashes are the same under each version of Python.

Names are dotted: `helpers.finetuning.fine_tune`; modules of `experiments/`, `benchmarks/` and `tools/` go by their bare
names: `training.keras_epoch`. A call is found by its name. So a local variable that is called like a function of its
module counts as a call of it: rather one function too many than one too few.
"""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
FOLDERS = ("experiments", "benchmarks", "tools")
# Not followed, and why: what they decide is stored beside the hashes, or decides nothing.
LEFT_OUT = {
    "helpers.runtime": "folders, seeds and devices: the kind of machine is stored",
    "helpers.devices": "the kind of machine is stored",
    "helpers.figures": "drawings",
    "helpers.data.prepare_splits": "the data's own hashes are stored",
    "helpers.corpus.prepare": "the corpus's own hash is stored",
    "helpers.models.locate": "what it fetches is checked against FILE_HASHES",
    "results": "how results are stored",
}
NOT_CODE = ("ctx", "kind", "type_comment", "annotation", "returns")  # fields of a syntax tree that do nothing


class Module:
    """What a file of the course defines at its top level, and which names of other files it imports."""

    def __init__(self, path: Path, course: Path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.statements: dict[str, list[ast.stmt]] = {}  # name -> the statements that define or change it
        for statement in tree.body:
            for name in set(defined(statement)):
                self.statements.setdefault(name, []).append(statement)
        nodes = list(ast.walk(tree))  # imports inside functions, too
        self.imports = {name: target for node in nodes for name, target in imported(node) if is_ours(target, course)}


def defined(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement at a file's top level defines or changes; of `if` and the like, all that is within."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in getattr(statement, "targets", None) or [statement.target]:
            yield from changed(target)
    else:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from defined(child)


def changed(target: ast.expr) -> Iterator[str]:
    """Names that an assignment to `target` changes: x of `x`, `x[0]`, `x.y`; both of `x, y`."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from changed(element)
    else:
        yield from changed(target.value)


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(name in this file, dotted name of what it stands for) of an import statement."""
    if isinstance(node, ast.Import):
        yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def is_ours(name: str, course: Path) -> bool:
    """Whether a dotted name is the course's."""
    return name.startswith("helpers.") or file_of(name.split(".")[0], course) is not None


def file_of(module: str, course: Path) -> Path | None:
    """File of a module of the course; None if it is not one."""
    helper = [course / "helpers" / f"{module.removeprefix('helpers.')}.py"] if module.startswith("helpers.") else []
    candidates = helper or [course / folder / f"{module}.py" for folder in FOLDERS]
    return next((path for path in candidates if path.is_file()), None)


def split(name: str) -> tuple[str, str]:
    """Module and name within it: ("helpers.models", "pad"); the name is "" where `name` is a module's."""
    parts = name.split(".")
    length = 2 if parts[0] == "helpers" else 1
    return ".".join(parts[:length]), ".".join(parts[length : length + 1])


def referred(node: ast.AST, module: Module, own: str) -> Iterator[str]:
    """Dotted names of the course that a statement of the module called `own` mentions."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in module.statements:
            yield f"{own}.{inner.id}"
        elif isinstance(inner, ast.Name) and inner.id in module.imports:
            yield module.imports[inner.id]
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            whole = module.imports.get(inner.value.id)
            yield from [f"{whole}.{inner.attr}"] if whole else []


def form(node) -> str:
    """A syntax tree as text, without docstrings, type hints and positions; the same under each version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(form, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in NOT_CODE and value not in (None, [])}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={form(value)}' for name, value in fields.items())})"


def code_of(roots: Iterable[str | Callable], course: Path = COURSE) -> dict[str, str]:
    """Dotted name -> hash (12 hex digits) of each function, class and constant that the roots come to use, sorted.

    `roots` are dotted names, functions of the course, or `functools.partial` of such. Raises LookupError for a root that
    is not there.
    """
    first = {name for root in roots for name in names_of(root)}
    module_of = cache(lambda own: Module(path, course) if (path := file_of(own, course)) else None)
    found, seen, waiting = {}, set(), sorted(first)
    while waiting:
        dotted = waiting.pop()
        if dotted in seen or is_left_out(dotted):
            continue
        seen.add(dotted)
        digest, used = look_up(dotted, module_of(split(dotted)[0]))
        if digest:
            found[dotted] = digest
        elif dotted in first and not used:
            raise LookupError(f"There is no {dotted} in the course.")
        waiting += used
    return dict(sorted(found.items()))


def is_left_out(dotted: str) -> bool:
    """Whether a name or its module is not to be followed."""
    own, name = split(dotted)
    return bool({own, f"{own}.{name}"} & LEFT_OUT.keys())


def look_up(dotted: str, module: Module | None) -> tuple[str | None, list[str]]:
    """Hash of what defines a name, and the dotted names that this uses; (None, ...) where its module defines no such name.

    A name that the module only passes on from another one has no hash, and uses that one.
    """
    own, name = split(dotted)
    if module and name in module.statements:
        statements = module.statements[name]
        used = [other for statement in statements for other in referred(statement, module, own)]
        return hashlib.sha256(form(statements).encode()).hexdigest()[:12], used
    return None, [module.imports[name]] if module and name in module.imports else []


def names_of(root: str | Callable) -> Iterator[str]:
    """Dotted name of a function; of a `partial`, also of the functions among its arguments."""
    if isinstance(root, str):
        yield root
    elif isinstance(root, partial):
        for part in (root.func, *root.args, *root.keywords.values()):
            if isinstance(part, partial) or inspect.isfunction(part):
                yield from names_of(part)
    else:
        root = inspect.unwrap(root)  # a cached function stands for the one inside
        path = Path(inspect.getsourcefile(root))
        yield f"{'helpers.' if path.parent.name == 'helpers' else ''}{path.stem}.{root.__qualname__}"
