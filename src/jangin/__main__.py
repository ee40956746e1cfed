"""`python -m jangin` is `jangin`."""

import sys

from jangin.cli import main

sys.exit(main())
