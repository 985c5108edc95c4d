"""Generate the parts of the documentation that come from the code: tables of policies, estimators and verifiers, glossary, API pages, llms.txt.

`python tools/make_docs.py` writes; `--check` only lists files that are out of date. A table is between two comments, `<!-- table: name -->` and
`<!-- end of the table -->`; the rest of the page is written by hand.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCES = {
    "switchwise": ROOT / "packages/core/src",
    "langchain_switchwise": ROOT / "packages/langchain/src",
    "llama_index.llms.switchwise": ROOT / "packages/llamaindex",
    "switchwise_loopback": ROOT / "packages/loopback/src",
}
HIDDEN = {"switchwise.cli", "switchwise.testing.adapters", "switchwise.dialects", "switchwise.failures"}
"""Packages whose names are for this repository's own use."""


def public() -> dict[str, list[str]]:
    """Package -> the names of its `__all__`, of all packages that have one and are for users. Read, not imported: extras may be missing."""
    found: dict[str, list[str]] = {}
    for package, source in SOURCES.items():
        folder = source / package.replace(".", "/")
        for path in sorted(folder.rglob("__init__.py")):
            name = ".".join(path.parent.relative_to(source).parts)
            names = _all_of(ast.parse(path.read_text(encoding="utf-8")))
            if names and name not in HIDDEN:
                found[name] = names
    return found


def _all_of(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
    return []


# -- tables ------------------------------------------------------------------------------------------------------------


def catalogue(kind: str) -> str:
    """The table of one kind of names in a configuration."""
    from switchwise.config.registry import known

    classes = {name: cls for name, cls in known(kind).items() if isinstance(cls, type)}
    page = (DOCS / TABLES[kind][0]).read_text(encoding="utf-8")
    verbs = kind == "policies"
    headings = ["name", "does", *(["verb"] if verbs else []), "use it", "not"]
    rows = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for name, cls in sorted(classes.items()):
        does, use, unfit = _described(cls, import_module(cls.__module__))
        cells = [f"[`{name}`]({_section(page, name) or f'api/{ROOMS[kind]}.md#{ROOMS[kind]}.{name}'})", does]
        cells += [_verb(cls) + (", remembers" if hasattr(cls, "dump") else "")] if verbs else []
        rows.append(f"| {' | '.join([*cells, use, unfit])} |")
    return "\n".join(rows)


def _section(page: str, name: str) -> str:
    """The heading of its section in the page; empty if there is none."""
    for heading in re.findall(r"^## (.+)$", page, re.M):
        if name in re.split(r",\s*", heading):
            return "#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
    return ""


ROOMS = {"policies": "switchwise.policies", "verifiers": "switchwise.verifiers", "estimators": "switchwise.quality"}


def _described(cls: type, module: ModuleType) -> tuple[str, str, str]:
    """What it does, when to use it and when not, from the docstrings of the class and its module."""
    whole = inspect.getdoc(module) or ""
    text = " ".join(re.split(r"\n\n(?:Source|Sources|>>>)", whole)[0].split())
    text = re.sub(r" \(see docs/[^)]*\)", "", text)
    use = re.search(r"\bUse (?:it|them|this) (.*?)(?=\. (?:Not |Do not )|\.$|\. [A-Z])", text)
    unfit = re.search(r"(?:^|\. )(?:Not |Do not use \S+ )(.*?)(?=\.(?: [A-Z]|$))", text)
    own = (inspect.getdoc(cls) or "").split("\n\n")[0]
    first = " ".join(own.split()).split(". ")[0].rstrip(".")
    return first, use[1] if use else "", unfit[1].rstrip(".") if unfit else ""


def _verb(cls: type) -> str:
    """Whether it rules targets out, moves some ahead, or both: by the verbs of the shortlist that it calls."""
    if cls.__name__ == "hold":
        return "as what it holds"
    called: set[str] = set()
    for base in cls.__mro__[:-1]:
        if base.__module__.startswith("switchwise."):
            called |= set(re.findall(r"\.(require|exclude|prefer|order)\(", inspect.getsource(base)))
    words = [word for word, verbs in (("requires", {"require", "exclude"}), ("prefers", {"prefer", "order"})) if called & verbs]
    return ", ".join(words) or "prefers"


def glossary() -> str:
    """The nouns of the engine: name, and the first sentence of the docstring."""
    import switchwise

    rows = ["| name | is |", "|---|---|"]
    for name in sorted(switchwise.__all__, key=str.lower):
        thing = getattr(switchwise, name)
        if isinstance(thing, type):
            first = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
            rows.append(f"| [`{name}`](reference/api/switchwise.md#switchwise.{name}) | {first} |")
    return "\n".join(rows)


def recovery() -> str:
    """The consequences of each kind of failure."""
    from switchwise.engine.recovery import TABLE

    rows = ["| kind | rules out, for this request | passes | first pause | |", "|---|---|---|---|---|"]
    for kind, row in TABLE.items():
        more = [
            word
            for word, holds in (
                ("lasting", row.lasting),
                ("one target of another server is asked for a second opinion", row.once),
            )
            if holds
        ]
        pause = "-" if row.cool is None else f"{row.cool:g} s"
        rows.append(
            f"| `{kind.value}` | {row.rules_out.value} | {'yes' if row.passes else 'no'} | {pause} | {'; '.join(more)} |"
        )
    return "\n".join(rows)


TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "policies": ("reference/policies.md", lambda: catalogue("policies")),
    "estimators": ("reference/estimators.md", lambda: catalogue("estimators")),
    "verifiers": ("reference/verifiers.md", lambda: catalogue("verifiers")),
    "nouns": ("glossary.md", glossary),
    "recovery": ("guide/reliability.md", recovery),
}


def _with_table(text: str, name: str, table: str) -> str:
    marks = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end of the table -->)", re.S)
    if not marks.search(text):
        raise SystemExit(f"no place for the table {name}: write <!-- table: {name} --> and <!-- end of the table -->")
    return marks.sub(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", text)


# -- pages -------------------------------------------------------------------------------------------------------------


def api_pages() -> Iterator[tuple[str, str]]:
    """Path below docs/ -> the page, of each public package, and of the index."""
    rows = ["# API", "", "One page for each package; what is not here is not public.", "", "| package | is |", "|---|---|"]
    for package, names in public().items():
        source = next(path for root, path in SOURCES.items() if package == root or package.startswith(root + "."))
        tree = ast.parse((source / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
        summary = (ast.get_docstring(tree) or package).split("\n\n")[0].replace("\n", " ")
        rows.append(f"| [`{package}`]({package}.md) | {summary.replace('|', '/')} |")
        entries = "\n\n".join(f"::: {package}.{name}" for name in sorted(names, key=lambda name: (name.islower(), name)))
        yield f"reference/api/{package}.md", f"# {package}\n\n{summary}\n\n{entries}\n"
    yield "reference/api/index.md", "\n".join(rows) + "\n"


def _with_pages(text: str, pages: list[str]) -> str:
    """The site's configuration with these API pages in its navigation."""
    entries = "".join(f"          - {page}\n" for page in [pages[-1], *pages[:-1]])
    return re.sub(r"(?<=      - API:\n)(?:          - .*\n)+", entries, text)


def llms() -> str:
    """llms.txt, an index for language models: titles and first sentences of the pages, in the order of the navigation."""
    import yaml

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    lines = [
        "# switchwise",
        "",
        "> A model router for agents: sends each model call to the model that should answer it, inside LangChain, LangGraph, deep agents, "
        "LlamaIndex or the plain SDKs; at the level of session, sub-agent, task or step, with a reason for every decision.",
    ]

    def walk(entries: list[Any], heading: str) -> None:
        pages = [(title, path) for entry in entries for title, path in _named(entry) if isinstance(path, str)]
        if pages:
            lines.extend(["", f"## {heading}", ""])
            lines.extend(f"- [{title or _title(path)}]({path}): {_first_sentence(path)}" for title, path in pages)
        for entry in entries:
            for title, below in _named(entry):
                if isinstance(below, list):
                    walk(below, title)

    walk(nav, "Start")
    return "\n".join(lines) + "\n"


def _named(entry: Any) -> list[tuple[str, Any]]:
    return [("", entry)] if isinstance(entry, str) else list(entry.items())


def _title(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ").strip()


def _first_sentence(path: str) -> str:
    text = re.sub(r"^```.*?^```", "", (DOCS / path).read_text(encoding="utf-8"), flags=re.M | re.S)
    prose = [p for p in re.split(r"\n\s*\n", text) if len(p.strip()) > 45 and not re.match(r"[#|`:<!\[\-]|\d\.", p.strip())]
    if not prose:
        return _title(path) + "."
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(prose[0].split())).replace("**", "")
    return re.split(r"(?<=[.!?:]) (?=[A-Z])", plain)[0].rstrip(":")


def wanted() -> dict[Path, str]:
    """File -> its up-to-date content."""
    found: dict[Path, str] = {}
    for name, (page, make) in TABLES.items():
        path = DOCS / page
        found[path] = _with_table(found.get(path) or path.read_text(encoding="utf-8"), name, make())
    pages = dict(api_pages())
    found |= {DOCS / page: text for page, text in pages.items()}
    found[ROOT / "mkdocs.yml"] = _with_pages((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), list(pages))
    found[DOCS / "llms.txt"] = llms()
    return found


def main() -> int:
    """Write or check; return 1 if a file was out of date."""
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        sys.stdout.write("".join(f"{path.relative_to(ROOT)} is out of date: python tools/make_docs.py\n" for path in stale))
        return bool(stale)
    for path, text in wanted().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
