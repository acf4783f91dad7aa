"""``python -m serving``: the built-in model server."""

import sys

from serving.server import main

sys.exit(main())
