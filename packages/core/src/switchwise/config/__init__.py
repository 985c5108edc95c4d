"""A router from a file: `Router.from_file("switchwise.toml")`. The format is in docs/reference/configuration.md.

| to ...                                          | see                                       |
|-------------------------------------------------|-------------------------------------------|
| read a file, and look at what it says           | `load`, `Configuration`                   |
| know what is wrong with one                     | `BadConfiguration.problems`, `Problem`    |
| know what it is likely to regret                | `findings`, `Finding`                     |
| know what may be written                        | `json_schema`                             |
| add policies of another distribution            | `switchwise.config.registry`              |
"""

from switchwise.config.configuration import Configuration, Endpoint, Recipe, find, load
from switchwise.config.findings import Finding, findings
from switchwise.config.json_schema import json_schema
from switchwise.config.problems import BadConfiguration, Problem

__all__ = [
    "BadConfiguration",
    "Configuration",
    "Endpoint",
    "Finding",
    "Problem",
    "Recipe",
    "find",
    "findings",
    "json_schema",
    "load",
]
