"""`python -m switchwise.cli`, where the `switchwise` command is not on the path."""

import sys

from switchwise.cli.main import main

sys.exit(main())
