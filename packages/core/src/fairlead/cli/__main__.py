"""`python -m fairlead.cli`, where the `fairlead` command is not on the path."""

import sys

from fairlead.cli.main import main

sys.exit(main())
