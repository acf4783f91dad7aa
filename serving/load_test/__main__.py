"""``python -m serving.load_test``: loads a model server and prints what it measured."""

import sys

from serving.load_test.load import main

if __name__ == "__main__":
    sys.exit(main())
