"""A router from a file: `Router.from_file("switchwise.toml")`. The format is in docs/reference/configuration.md.

| to ...                                          | see                                       |
|-------------------------------------------------|-------------------------------------------|
| read a file and inspect it | `load`, `Configuration` |
| list the errors of a file | `BadConfiguration.problems`, `Problem` |
| list warnings about a file | `findings`, `ConfigFinding` |
| get the schema of files | `json_schema` |
| add policies of another distribution            | `switchwise.config.registry`              |
"""

from switchwise.config.configuration import Configuration, Recipe, find, load
from switchwise.config.findings import ConfigFinding, findings
from switchwise.config.json_schema import json_schema
from switchwise.config.problems import BadConfiguration, Problem
from switchwise.config.references import TargetEndpoint

__all__ = [
    "BadConfiguration",
    "ConfigFinding",
    "Configuration",
    "Problem",
    "Recipe",
    "TargetEndpoint",
    "find",
    "findings",
    "json_schema",
    "load",
]
