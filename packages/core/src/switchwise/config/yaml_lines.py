"""YAML with the line of each field. Needs the extra `yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from switchwise.config.problems import BadConfiguration, Problem
from switchwise.config.toml_lines import Path as Place

MOST = 100_000  # fields: aliases can stand for many more than were written


def parsed(path: Path, text: str) -> tuple[dict[str, Any], dict[Place, int]]:
    """The tree, and on which line each field stands.

    Raises:
        BadConfiguration: it is no YAML, or no table; a key is no text or occurs twice; PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        told = "YAML cannot be read here"
        raise BadConfiguration(
            [Problem(str(path), 0, "", told, 'pip install "switchwise[yaml]", or write the file as TOML')]
        ) from None
    lines: dict[Place, int] = {}

    def refuse(node: Any, message: str, remedy: str) -> BadConfiguration:
        return BadConfiguration([Problem(str(path), node.start_mark.line + 1, "", message, remedy)])

    def walk(node: Any, place: Place) -> None:
        lines.setdefault(place, node.start_mark.line + 1)
        if len(lines) > MOST or len(place) > 50:
            raise refuse(node, "too many fields, or too deep", "do without aliases")
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value
                if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                    raise refuse(key, f"the key {name!r:.40} is no text", "put it in quotes")
                if (*place, name) in lines:
                    raise refuse(key, f"{name!r} occurs twice", "keep one of them")
                lines[(*place, name)] = key.start_mark.line + 1
                walk(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                walk(value, (*place, i))

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            walk(root, ())
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark, told = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise BadConfiguration(
            [Problem(str(path), line, "", f"no YAML: {told}", "see the indentation and the quotes")]
        ) from None
    if not isinstance(data, dict):
        raise BadConfiguration([Problem(str(path), 1, "", "no table", "begin with targets: and routers:")])
    return data, lines
