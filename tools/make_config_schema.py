"""Write the JSON Schema of configuration files that the wheel ships, for editors."""

import json

from switchwise.config.json_schema import SHIPPED, json_schema

SHIPPED.write_text(json.dumps(json_schema(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
