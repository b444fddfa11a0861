"""Measure the shape of a Python package: sizes, complexity, docs, typing, import graph.

Usage:
    python shape.py PACKAGE_DIR [PACKAGE_DIR ...]            one summary row per package
    python shape.py --tree PACKAGE_DIR                       files with line counts
    python shape.py --edges PACKAGE_DIR                      import edges and cycles
    python shape.py --gate PACKAGE_DIR [PACKAGE_DIR ...]     fail (exit 1) over the limits below
    python shape.py --json PACKAGE_DIR ...                   machine-readable summary

Standard library only; reads source, never imports it.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import sys
import tokenize
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

LIMITS = {
    "file_lines": 300,
    "function_lines": 50,
    "complexity": 10,
    "parameters": 7,
    "doc_public_pct": 90.0,
    "typed_pct": 100.0,
    "broad_excepts_per_kloc": 3.0,
    "cycles": 0,
}

SKIPPED = {"tests", "test", "templates", "project_template", "__pycache__"}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
BRANCH = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.With,
    ast.AsyncWith,
    ast.IfExp,
    ast.comprehension,
    ast.Assert,
)


@dataclass
class Function:
    where: str
    lines: int
    complexity: int
    parameters: int
    public: bool
    documented: bool
    typed: bool


@dataclass
class Module:
    name: str
    path: Path
    lines: int
    code: int
    comments: int
    doc_lines: int
    documented: bool
    functions: list[Function] = field(default_factory=list)
    classes: list[tuple[bool, bool]] = field(default_factory=list)  # (public, documented)
    broad_excepts: int = 0
    silent_excepts: int = 0
    ignores: int = 0
    todos: int = 0
    local_imports: int = 0
    imports: set[str] = field(default_factory=set)  # run-time, module level
    typing_imports: set[str] = field(default_factory=set)  # under TYPE_CHECKING


def own_nodes(function: ast.AST):
    """Nodes of a function, without the bodies of functions nested in it."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (*FUNCTION, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(node))


def complexity(function: ast.AST) -> int:
    total = 1
    for node in own_nodes(function):
        if isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
        elif isinstance(node, ast.match_case) or (
            isinstance(node, BRANCH) and not isinstance(node, (ast.With, ast.AsyncWith, ast.Assert))
        ):
            total += 1
    return total


def is_typed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    if named and named[0].arg in ("self", "cls", "mcs"):
        named = named[1:]
    rest = [a for a in (args.vararg, args.kwarg) if a]
    returns = function.returns is not None or function.name == "__init__"
    return returns and all(a.annotation is not None for a in [*named, *rest])


def is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(d).split(".")[-1] for d in function.decorator_list}
    return "overload" in names


def resolve(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    if not is_package:
        parts = parts[:-1]
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def collect_imports(tree: ast.Module, module: Module, is_package: bool) -> None:
    def visit(body: list[ast.stmt], bucket: set[str]) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                bucket.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = resolve(node, module.name, is_package)
                bucket.update(f"{base}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.If):
                guarded = "TYPE_CHECKING" in ast.unparse(node.test)
                visit(node.body, module.typing_imports if guarded else bucket)
                visit(node.orelse, bucket)
            elif isinstance(node, ast.Try):
                for part in (node.body, node.orelse, node.finalbody):
                    visit(part, bucket)
                for handler in node.handlers:
                    visit(handler.body, bucket)

    visit(tree.body, module.imports)


def measure(path: Path, name: str) -> Module:
    text = path.read_text(encoding="utf-8", errors="replace")
    tree = ast.parse(text)
    comments = code_rows = 0
    rows: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments += 1
        elif token.type not in (
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        ):
            rows.update(range(token.start[0], token.end[0] + 1))
    doc_rows: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTION)) and ast.get_docstring(node):
            doc = node.body[0]
            doc_rows.update(range(doc.lineno, doc.end_lineno + 1))
    code_rows = len(rows - doc_rows)
    module = Module(
        name,
        path,
        text.count("\n"),
        code_rows,
        comments,
        len(doc_rows),
        ast.get_docstring(tree) is not None,
    )
    module.ignores = len(re.findall(r"#\s*(?:type:\s*ignore|noqa|pyright:\s*ignore)", text))
    module.todos = len(re.findall(r"#.*\b(?:TODO|FIXME|XXX|HACK)\b", text))
    collect_imports(tree, module, path.name == "__init__.py")

    def walk(node: ast.AST, scope: str, public: bool, in_function: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                shown = public and not child.name.startswith("_") and not in_function
                module.classes.append((shown, ast.get_docstring(child) is not None))
                walk(child, f"{scope}.{child.name}", shown, in_function)
            elif isinstance(child, FUNCTION):
                shown = public and not child.name.startswith("_") and not in_function
                args = child.args
                count = len(args.posonlyargs) + len(args.args) + len(args.kwonlyargs)
                if args.args and args.args[0].arg in ("self", "cls"):
                    count -= 1
                if not is_stub(child):
                    module.functions.append(
                        Function(
                            f"{scope}.{child.name}:{child.lineno}",
                            child.end_lineno - child.lineno + 1,
                            complexity(child),
                            count,
                            shown,
                            ast.get_docstring(child) is not None,
                            is_typed(child),
                        )
                    )
                walk(child, f"{scope}.{child.name}", public, True)
            else:
                if in_function and isinstance(child, (ast.Import, ast.ImportFrom)):
                    module.local_imports += 1
                if isinstance(child, ast.ExceptHandler):
                    caught = ast.unparse(child.type) if child.type else "bare"
                    if caught in ("bare", "Exception", "BaseException"):
                        module.broad_excepts += 1
                        if all(isinstance(s, (ast.Pass, ast.Continue)) for s in child.body):
                            module.silent_excepts += 1
                walk(child, scope, public, in_function)

    walk(tree, name, True, False)
    return module


@cache
def load(package: Path) -> list[Module]:
    modules = []
    for path in sorted(package.rglob("*.py")):
        if SKIPPED & set(path.relative_to(package).parts[:-1]):
            continue
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        try:
            modules.append(measure(path, ".".join(parts)))
        except (SyntaxError, tokenize.TokenError) as error:
            print(f"skipped {path.name}: {error}", file=sys.stderr)
    return modules


def graph(modules: list[Module], typing_too: bool = False) -> dict[str, set[str]]:
    names = {m.name for m in modules}
    packages = {m.name for m in modules if m.path.name == "__init__.py"}
    edges: dict[str, set[str]] = {m.name: set() for m in modules}
    for m in modules:
        wanted = m.imports | (m.typing_imports if typing_too else set())
        for target in wanted:
            while target and target not in names:
                target = target.rpartition(".")[0]
            # `from . import sibling` and a package's own re-exports are no cycle by themselves
            if (
                target
                and target != m.name
                and not (target in packages and m.name.startswith(target + "."))
            ):
                edges[m.name].add(target)
    return edges


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    sys.setrecursionlimit(10_000)

    def connect(v: str) -> None:
        index[v] = low[v] = len(index)
        stack.append(v)
        on_stack.add(v)
        for w in edges[v]:
            if w not in index:
                connect(w)
                low[v] = min(low[v], low[w])
            elif w in on_stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            group = []
            while True:
                w = stack.pop()
                on_stack.discard(w)
                group.append(w)
                if w == v:
                    break
            if len(group) > 1:
                found.append(sorted(group))

    for v in edges:
        if v not in index:
            connect(v)
    return found


def quantile(values: list[int], q: float) -> int:
    ordered = sorted(values) or [0]
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def pct(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 100.0


def summary(package: Path) -> dict:
    modules = load(package)
    sizes = [m.lines for m in modules if m.code > 3]
    functions = [f for m in modules for f in m.functions]
    public = [f for f in functions if f.public]
    classes = [doc for m in modules for shown, doc in m.classes if shown]
    code = sum(m.code for m in modules)
    groups = cycles(graph(modules))
    return {
        "package": package.name,
        "files": len(sizes),
        "lines": sum(m.lines for m in modules),
        "code": code,
        "file_median": int(statistics.median(sizes or [0])),
        "file_p90": quantile(sizes, 0.9),
        "file_max": max(sizes, default=0),
        "files_over_300": sum(s > LIMITS["file_lines"] for s in sizes),
        "functions": len(functions),
        "fn_median": int(statistics.median([f.lines for f in functions] or [0])),
        "fn_p90": quantile([f.lines for f in functions], 0.9),
        "fn_max": max((f.lines for f in functions), default=0),
        "fn_over_50": sum(f.lines > LIMITS["function_lines"] for f in functions),
        "cc_p90": quantile([f.complexity for f in functions], 0.9),
        "cc_max": max((f.complexity for f in functions), default=0),
        "cc_over_10": sum(f.complexity > LIMITS["complexity"] for f in functions),
        "doc_public_pct": pct(
            sum(f.documented for f in public) + sum(classes), len(public) + len(classes)
        ),
        "doc_module_pct": pct(sum(m.documented for m in modules if m.code > 3), len(sizes)),
        "doc_per_code_pct": pct(sum(m.doc_lines for m in modules), code),
        "comment_per_code_pct": pct(sum(m.comments for m in modules), code),
        "typed_pct": pct(sum(f.typed for f in functions), len(functions)),
        "broad_excepts": sum(m.broad_excepts for m in modules),
        "silent_excepts": sum(m.silent_excepts for m in modules),
        "broad_excepts_per_kloc": round(
            1000 * sum(m.broad_excepts for m in modules) / max(code, 1), 1
        ),
        "ignores_per_kloc": round(1000 * sum(m.ignores for m in modules) / max(code, 1), 1),
        "todos": sum(m.todos for m in modules),
        "local_imports": sum(m.local_imports for m in modules),
        "cycles": len(groups),
        "in_cycles": sum(len(g) for g in groups),
    }


def show_tree(package: Path) -> None:
    for m in load(package):
        rel = m.path.relative_to(package.parent)
        print(f"{m.lines:6d}  {rel}")
    extra = sorted(
        p
        for p in package.rglob("*")
        if p.suffix in {".sql", ".lua", ".html", ".css", ".js", ".toml", ".json", ".yml", ".yaml"}
    )
    for p in extra:
        print(f"{p.read_text(errors='replace').count(chr(10)):6d}  {p.relative_to(package.parent)}")


def show_edges(package: Path) -> None:
    modules = load(package)
    edges = graph(modules)
    for name in sorted(edges):
        if edges[name]:
            print(f"{name} -> {', '.join(sorted(edges[name]))}")
    for title, typed in (("run-time", False), ("with TYPE_CHECKING", True)):
        for group in cycles(graph(modules, typed)):
            print(f"CYCLE ({title}): {', '.join(group)}")


def gate(packages: list[Path]) -> int:
    problems: list[str] = []
    for package in packages:
        row = summary(package)
        for m in load(package):
            if m.lines > LIMITS["file_lines"]:
                problems.append(f"{m.path}: {m.lines} lines (limit {LIMITS['file_lines']})")
            for f in m.functions:
                if f.lines > LIMITS["function_lines"]:
                    problems.append(
                        f"{f.where}: {f.lines} lines (limit {LIMITS['function_lines']})"
                    )
                if f.complexity > LIMITS["complexity"]:
                    problems.append(
                        f"{f.where}: complexity {f.complexity} (limit {LIMITS['complexity']})"
                    )
                if f.parameters > LIMITS["parameters"]:
                    problems.append(
                        f"{f.where}: {f.parameters} parameters (limit {LIMITS['parameters']})"
                    )
        for key, worse in (
            ("doc_public_pct", False),
            ("typed_pct", False),
            ("broad_excepts_per_kloc", True),
            ("cycles", True),
        ):
            over = row[key] > LIMITS[key] if worse else row[key] < LIMITS[key]
            if over:
                problems.append(f"{package.name}: {key} = {row[key]} (limit {LIMITS[key]})")
    print("\n".join(problems) or "within all limits")
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    for flag in ("--tree", "--edges", "--gate", "--json"):
        mode.add_argument(flag, action="store_true")
    parser.add_argument("packages", nargs="+", type=Path)
    options = parser.parse_args()
    if options.gate:
        return gate(options.packages)
    if options.tree or options.edges:
        for package in options.packages:
            (show_tree if options.tree else show_edges)(package)
        return 0
    rows = [summary(package) for package in options.packages]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for key in rows[0]:
        print(f"{key:24s}" + "".join(f"{str(row[key]):>14s}" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
